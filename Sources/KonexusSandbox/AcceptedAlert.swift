/// An alert that the sandbox's API accepted.
public struct AcceptedAlert: Sendable, Hashable, Codable {
  /// The number that the API gave it.
  public var id: Int64
  /// When it was accepted, in Unix time by the server's clock.
  public var time: Double
  /// `message.basic.subject` of its settings.
  public var subject: String
  /// `message.basic.message` of its settings.
  public var message: String
  /// `recipients.groupIds` of its settings.
  public var groupIDs: [Int64]
  /// The caller's `jobId`; nil without one.
  public var jobID: String?
  /// The caller's `correlationKey`; nil without one.
  public var correlationKey: String?
  /// The whole form, as it was sent.
  public var settings: JSON

  private enum CodingKeys: String, CodingKey {
    case id, time, subject, message
    case groupIDs = "groupIds"
    case jobID = "jobId"
    case correlationKey, settings
  }
}
