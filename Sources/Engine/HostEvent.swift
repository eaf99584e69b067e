public import Base

/// An event in the life of a host with all its tokens.
public enum HostEvent: Sendable {
  // MARK: Configuration

  /// New settings are in effect: at the start those of all tokens, at a reload what differs.
  case configured(HostChange)
  /// The files that the previous run left for a token were read; the token, if it verified, and how long applications
  /// had one so far.
  case restored(String, RestoredToken?, Availability?)
  /// The daemon stops. If `revokes`, tokens with `revoke_on_stop` are revoked.
  case stop(revokes: Bool)

  // MARK: Requests

  /// The secrets of an attempt were read, or not.
  case prepared(String, attempt: UInt64, AcquisitionFailure?)
  /// An attempt has ended.
  case finished(String, attempt: UInt64, Result<ReceivedToken, AcquisitionFailure>)
  /// A new token is wanted now for each table, for example by SIGUSR1.
  case refreshAll
  /// What fails may work now: a person may have corrected it.
  case retryFailing

  // MARK: Files

  /// Work on a token's files has ended.
  case worked(String, work: UInt64, FileOutcome)
  /// A file of this token changed; of any, if the kernel could not report it.
  case fileChanged(String?)

  // MARK: Time

  /// Something that the status shows has changed.
  case statusChanged
  /// The timer fired.
  case woke
  /// A heartbeat is due: all files are examined, and what is overdue is done.
  case heartbeat
  /// All results that arrived so far were handled.
  case idle

  // MARK: Credentials

  /// A unit waits for a token as its credential, since then.
  case credentialRequested(peer: UInt64, token: String, since: BootTime)
  /// A unit waits in the kernel's queue, where it cannot be answered yet.
  case credentialAwaited(token: String)

  // MARK: Held tokens

  /// An issuer's key set was read, for whatever reason, and held tokens were verified by it.
  case keySetRead(ServerID, Result<KeySetReading, AcquisitionFailure>)
  /// A held token was introspected again, or the API was asked about it.
  case checked(String, requestedAt: BootTime, HeldTokenVerdict)
  /// The API was asked about the new token of an attempt.
  case probed(String, attempt: UInt64, ProbeVerdict)
  /// An application reports that the API rejected a token, or wants a new one.
  case reported(String, rejected: TokenDigest?)

  // MARK: The end

  /// The files of a token that is about to be revoked are removed, or their disk hangs.
  case withdrawn(String)
  /// A revocation has ended.
  case revoked(String)
}

/// The difference that new settings make.
public struct HostChange: Sendable {
  /// The tables that do not exist any more.
  public var removed: [String] = []
  /// Tables whose settings changed.
  public var changed: [(plan: TokenPlan, change: TokenChange)] = []
  /// New tables.
  public var added: [TokenPlan] = []
  /// How many requests one issuer gets at once.
  public var maxRequests: Int
  /// The tokens that must be published, or rejected, before the daemon is ready.
  public var awaited: Set<String> = []

  /// No difference but in the limit of requests.
  public init(maxRequests: Int) {
    self.maxRequests = maxRequests
  }
}

/// A token of the previous run that verified.
public struct RestoredToken: Hashable, Sendable {
  /// When its request was sent.
  public var requestedAt: BootTime
  /// Its lifetime from then on.
  public var lifetime: Duration
  /// Its digest.
  public var digest: TokenDigest?
  /// Whether a new one must be requested at once: it is of former settings, or needs to be introspected again.
  public var needsSuccessor = false
  /// Whether every file holds it, with the right mode.
  public var areFilesRight = true
  /// Whether the API accepted a token before.
  public var wasAcceptedByAPI = false
  /// Why it is not accepted any more, as the previous run found; `nil` as far as known.
  public var rejection: AcquisitionFailure?

  /// A token with the given times.
  public init(requestedAt: BootTime, lifetime: Duration) {
    self.requestedAt = requestedAt
    self.lifetime = lifetime
  }
}

/// A verified token that an attempt brought.
public struct ReceivedToken: Hashable, Sendable {
  /// When its request was sent.
  public var requestedAt: BootTime
  /// Its lifetime from then on.
  public var lifetime: Duration
  /// Its digest.
  public var digest: TokenDigest?

  /// A token with the given times.
  public init(requestedAt: BootTime, lifetime: Duration, digest: TokenDigest? = nil) {
    self.requestedAt = requestedAt
    self.lifetime = lifetime
    self.digest = digest
  }
}

/// A key set, and the held tokens that it verified or did not.
public struct KeySetReading: Sendable {
  /// A fingerprint of the key set.
  public var keySet: String
  /// How long the server calls it fresh.
  public var freshness: Duration?
  /// The tokens that it verified, each with the time of its request.
  public var valid: [(token: String, requestedAt: BootTime)] = []
  /// The tokens that it does not verify any more.
  public var withdrawn: [(token: String, requestedAt: BootTime, failure: AcquisitionFailure)] = []

  /// A reading that no token was verified by yet.
  public init(keySet: String, freshness: Duration?) {
    self.keySet = keySet
    self.freshness = freshness
  }
}

/// What is known of a held token after a check.
public enum HeldTokenVerdict: Hashable, Sendable {
  /// The server calls it active.
  case active
  /// The server calls it inactive.
  case inactive(AcquisitionFailure)
  /// The API gave an answer, or none.
  case api(ProbeVerdict)
  /// Nothing: the server could not be asked.
  case unknown
}

/// What the API says of a token.
public enum ProbeVerdict: Hashable, Sendable {
  /// It accepts the token.
  case accepted
  /// It rejects the token: 401.
  case rejected(AcquisitionFailure)
  /// Its answer means nothing, or there was none.
  case unknown
}

/// The answer to an application that reported a token.
public enum ReportReply: Hashable, Sendable {
  /// There is no such token.
  case unknownToken
  /// The rejected token is not held any more.
  case newerInPlace
  /// A new token is requested now.
  case requested
  /// A new token is requested after this time.
  case rateLimited(Duration)
  /// The server rejects the client, or asks to wait: the next request comes after this time.
  case rejectedByServer(Duration, FailureCode)
}

/// Work on all files of one token.
public enum FileWork: Hashable, Sendable {
  /// Write the newest token.
  case publish
  /// Remove the files.
  case remove
  /// Find external modifications.
  case examine
}

/// The result of `FileWork`.
public enum FileOutcome: Hashable, Sendable {
  /// Done. With `examine`: no file was modified.
  case done
  /// Not done, or not for every file.
  case failed(String)
  /// Another process modified a file.
  case modifiedExternally
}

/// What the shell must do, in the given order. No effect calls the engine: results are new events.
public enum HostEffect: Sendable {
  // MARK: Tokens

  /// Manage a new token, and read what the previous run left of it: `restored`.
  case restore(String)
  /// Use the new settings of a token, which keeps its files and bytes.
  case replace(String)
  /// Manage a token no more, and remove its files.
  case drop(String)

  // MARK: Requests

  /// Read the secrets of an attempt: `prepared`.
  case readSecrets(String, attempt: UInt64)
  /// Request a token, with this limit for one exchange: `finished`.
  case send(String, attempt: UInt64, timeout: Duration)
  /// Abandon an attempt. Its result is of no use.
  case abandon(String, attempt: UInt64)
  /// Make the token that the attempt brought the newest one, with these times.
  case accept(String, attempt: UInt64, TokenTimes)
  /// Keep the newest token: the attempt brought it again, or a former one.
  case keep(String, attempt: UInt64)
  /// Note that an attempt failed.
  case noteFailure(String, attempt: UInt64, AcquisitionFailure)

  // MARK: Files and applications

  /// Work on a token's files: `worked`.
  case work(FileWork, String, work: UInt64)
  /// Signal the application that a new token is in its files.
  case notifyApplication(String)
  /// Answer a unit that waits for its credential.
  case answer(peer: UInt64, CredentialReply)
  /// Decide again whether the settings permit the request of this unit.
  case reconsider(peer: UInt64)

  // MARK: Held tokens

  /// Read the key set of an issuer, and verify its held tokens: `keySetRead`.
  case readKeySet(ServerID)
  /// Introspect a held token again: `checked`.
  case introspect(String)
  /// Ask the API about a held token: `checked`.
  case probe(String)
  /// Ask the API about the new token of an attempt: `probed`.
  case probeCandidate(String, attempt: UInt64, timeout: Duration)
  /// Answer the report that is being handled.
  case reply(ReportReply)

  // MARK: Reports and time

  /// Write a log line.
  case report(HostReport)
  /// Report the status.
  case reportStatus
  /// Send `woke` at this time, and not at the time that was armed before.
  case arm(BootTime)

  // MARK: The end

  /// Send all units that are connected their answer now, or a refusal.
  case dismissUnits
  /// Write a token again that another process modified: nothing looks after its files from now on.
  case restoreFiles(String)
  /// Remove the files of a token for good: `withdrawn`.
  case withdraw(String)
  /// Revoke a token: `revoked`.
  case revoke(String, timeout: Duration)
  /// No time was left to revoke a token.
  case leaveUnrevoked(String)
  /// The process can end.
  case exit
}

/// The answer to a unit that waits for its credential.
public enum CredentialReply: Hashable, Sendable {
  /// The newest token. `isShort`: it is valid for less than `min_validity`, and there is no newer one.
  case token(isShort: Bool)
  /// No token came in time.
  case timedOut
  /// The token is not managed any more.
  case removed
  /// The daemon stops, and has no valid token.
  case stopping
}

/// A change that the log reports once.
public enum HostReport: Hashable, Sendable {
  /// In the life of one token.
  case token(String, LifecycleReport)
  /// The wall clock was stepped, or the host was suspended.
  case clock(ClockComparison.Change)
  /// All tokens that were awaited at the start are published, or rejected.
  case ready
  /// The API rejects this token, and has never accepted one: `api_url` may be wrong.
  case unprovenAPI(String, AcquisitionFailure)
}
