/// The envelope around the responses of the Konexus API.
struct Envelope {
  /// The members of the response besides the outcome, such as `item`.
  var contents: [JSON.Member] = []
  /// `None`, or the code of the error.
  var errorCode = "None"
  /// One sentence for the reader; nil without an error.
  var errorMessage: String?

  /// A single object.
  static func item(_ item: JSON) -> Envelope { Envelope(contents: [.init("item", item)]) }

  /// One page of a list. Pages are counted from 1.
  static func list(_ all: [JSON], page: Int = 1, pageSize: Int = 25) -> Envelope {
    let items = all.dropFirst((page - 1) * pageSize).prefix(pageSize)
    let pageCount = max(1, (all.count + pageSize - 1) / pageSize)
    let numbers = [
      ("totalItemCount", all.count), ("pageCount", pageCount), ("page", page), ("pageSize", pageSize),
    ]
    return Envelope(
      contents: numbers.map { .init($0, .integer(Int64($1))) } + [.init("items", .array(Array(items)))])
  }

  /// A failure, as the API reports it.
  static func failure(_ code: String, _ message: String) -> Envelope {
    Envelope(errorCode: code, errorMessage: message)
  }

  /// The response. `isValid` stays true, as in the vendor's example of a validation error.
  var json: JSON {
    let isSuccess = errorCode == "None"
    var status: JSON = ["isSuccess": .bool(isSuccess), "errorCode": .string(errorCode)]
    if let errorMessage { status["errorMessage"] = .string(errorMessage) }
    status["validationFailures"] = []
    status["messages"] = []
    return .object(
      contents + [.init("status", status), .init("hasErrors", .bool(!isSuccess)), .init("isValid", true)])
  }
}

extension JSON {
  /// The members of an envelope in another spelling.
  /// - Parameter isSend: Whether it answers `POST /v2/alerts`, whose documented example has capitals.
  func spelled(_ spelling: SandboxSettings.Spelling, isSend: Bool) -> JSON {
    switch spelling {
    case .small: return self
    case .documented: return isSend ? capitalized(except: ["status"]) : self
    case .capital:
      var capital = capitalized()
      capital["Status"] = capital["Status"]?.capitalized()
      return capital
    }
  }

  private func capitalized(except kept: [String] = []) -> JSON {
    guard let members else { return self }
    return .object(
      members.map { member in
        kept.contains(member.name)
          ? member : Member(member.name.prefix(1).uppercased() + member.name.dropFirst(), member.value)
      })
  }
}
