import Base
internal import CCurl
import Glibc

/// The request's header lines in the form that libcurl takes; overwritten when they are no longer needed, since one may be an
/// `Authorization`. libcurl's own copy, in the request as it was sent, is freed by it but not overwritten.
final class HeaderLines {
  /// The first line. Valid for as long as this object lives.
  private(set) var list: UnsafeMutablePointer<curl_slist>?

  init(_ prepared: PreparedRequest) {
    let request = prepared.request
    // libcurl's way to leave a field out: a name, a colon, nothing.
    append("Expect:")
    let names = Set(request.headers.map { $0.name.lowercased() })
    if !names.contains("accept") { append("Accept: application/json") }
    if request.method == .post, !names.contains("content-type") { append("Content-Type: \(request.contentType)") }
    for header in request.headers {
      // And its way to send a field without a value.
      append(header.value.isEmpty ? "\(header.name);" : "\(header.name): \(header.value)")
    }
    if let authorization = request.authorization { append("Authorization: ", authorization) }
  }

  deinit {
    var line = list
    while let current = line {
      if let data = current.pointee.data { Secret.overwrite(.init(start: data, count: strlen(data))) }
      line = current.pointee.next
    }
    curl_slist_free_all(list)
  }

  private func append(_ line: String) {
    list = curl_slist_append(list, line)
  }

  private func append(_ prefix: String, _ value: Secret) {
    // libcurl takes and copies a text that ends with a zero.
    let line = Secret(capacity: prefix.utf8.count + value.count + 1) { line, _ in
      line.copyBytes(from: prefix.utf8)
      value.withBytes { UnsafeMutableRawBufferPointer(rebasing: line[prefix.utf8.count...]).copyBytes(from: $0) }
    }
    list = line.withBytes { curl_slist_append(list, $0.baseAddress?.assumingMemoryBound(to: CChar.self)) }
  }
}
