import Base
import HTTP

/// The difference of the clocks by the `Date` of a response (RFC 9110, 6.6.1).
extension ClockSkew {
  /// By how much the server is ahead. The answer was dated between sending and receiving, and dates are cut to the second: what lies
  /// within that is no skew.
  static func of(serverTime: Double, sentAt: Moment, receivedAt: Moment) -> Duration {
    let earliest = serverTime - receivedAt.unix
    let latest = serverTime + 1 - sentAt.unix
    if earliest <= 0, latest >= 0 { return .zero }
    return .seconds(earliest > 0 ? earliest : latest)
  }

  /// The server's clock as the answer tells it, seconds since 1970. A cache on the way keeps `Date` as it was and adds `Age` (RFC 9111, 5.1).
  static func serverTime(of response: HTTPResponse, receivedAt: Moment) -> Double? {
    guard let date = response.headers["date"].flatMap({ HTTPDate.parse($0, near: Int64(receivedAt.unix)) }) else {
      return nil
    }
    return Double(date) + Double(CacheLifetime.age(response.headers))
  }
}
