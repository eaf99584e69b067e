/// The form of an alert. It has the account's default values. Some members must be filled in before it can be sent.
struct AlertForm {
  let settings: JSON

  /// Names of the members that the form requires, as `fields` lists them.
  private static let required = ["recipients", "subject", "message"]

  /// The default form. Like the vendor's example, it names no recipients, so a program must add them.
  static let defaults: JSON = [
    "fields": .array(
      required.map { ["name": .string($0), "required": true, "invisible": false, "readonly": false] }
        + [["name": "incident", "required": false, "invisible": false, "readonly": false]]),
    "alertType": "Default", "formType": "Quick", "hidden": false,
    "channels": [
      "email": ["requestConfirmation": false, "send": false],
      "textMessage": ["primary": true, "secondary": false, "deliveryMethod": "Sms", "send": false],
      "voice": ["cellPhone": false, "businessPhone": false, "homePhone": false, "useOptOut": false, "send": false],
      "push": ["send": false],
    ],
    "facilities": ["facilities": [], "areas": []],
    "message": [
      "priority": "NonEmergency", "basic": ["subject": "", "message": ""], "files": [], "language": "en-us",
    ],
    "recipients": [
      "uniqueContactCount": 0, "selectedGroupCount": 0, "groupIds": [], "mandatoryGroupIds": [], "contactIds": [],
    ],
    "sender": ["id": 1234, "displayName": "Sample client", "email": "sample@konexus.example"],
    "clientContext": ["isResend": false],
  ]

  var subject: String { settings["message"]?["basic"]?["subject"]?.string ?? "" }
  var message: String { settings["message"]?["basic"]?["message"]?.string ?? "" }
  var groupIDs: [Int64] { settings["recipients"]?["groupIds"]?.array?.compactMap(\.integer) ?? [] }

  /// Why the alert cannot be sent, in one sentence; nil if it can.
  var fault: String? {
    let missing: String? =
      if settings.members == nil {
        "Settings are"
      } else if subject.isEmpty {
        "Subject is"
      } else if message.isEmpty {
        "Message is"
      } else if !hasRecipients {
        "Recipients is"
      } else if !hasChannel {
        "Channels is"
      } else {
        nil
      }
    return missing.map { $0 + " required to send this message." }
  }

  private var hasRecipients: Bool {
    ["groupIds", "contactIds", "groups", "contacts", "featureLayers"].contains { name in
      settings["recipients"]?[name]?.array?.isEmpty == false
    }
  }

  private var hasChannel: Bool {
    settings["channels"]?.members?.contains { $0.value["send"] == true } ?? false
  }
}
