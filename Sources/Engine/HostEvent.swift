public import Base

/// An event on a host. Most events concern one of its tokens.
public enum HostEvent: Sendable {
  // MARK: Configuration

  /// New settings are in effect: those of all tokens at the start, the differences at a reload.
  case configured(HostChange)
  /// The files that the previous run left for a token were read. They can have brought a token that was verified, and
  /// the availability so far.
  case restored(String, RestoredToken?, Availability?)
  /// The daemon stops. If `revokes`, tokens with `revoke_on_stop` are revoked.
  case stop(revokes: Bool)

  // MARK: Requests

  /// The secrets of an attempt were read, or could not be read.
  case prepared(String, attempt: UInt64, AcquisitionFailure?)
  /// An attempt has ended.
  case finished(String, attempt: UInt64, Result<ReceivedToken, AcquisitionFailure>)
  /// A new token was requested for each table, for example by SIGUSR1.
  case refreshAll
  /// A retry of all tables whose requests fail was requested: an administrator may have corrected the cause.
  case retryFailing

  // MARK: Files

  /// Work on a token's files has ended.
  case worked(String, work: UInt64, FileOutcome)
  /// A file of this token changed; `nil` if the kernel could not report whose.
  case fileChanged(String?)

  // MARK: Time

  /// Something that the status shows has changed.
  case statusChanged
  /// The timer fired.
  case woke
  /// A heartbeat is due: all files are examined, and everything that is due is done.
  case heartbeat
  /// All events so far were handled.
  case idle

  // MARK: Credentials

  /// A unit waits for a token as its credential, since this time.
  case credentialRequested(peer: UInt64, token: String, since: BootTime)
  /// A unit waits in the kernel's queue, where it cannot be answered yet.
  case credentialAwaited(token: String)

  // MARK: Held tokens

  /// An issuer's key set was read, for any reason, and held tokens were verified by it.
  case keySetRead(ServerID, Result<KeySetReading, AcquisitionFailure>)
  /// A held token was introspected again, or probed at the API.
  case checked(String, requestedAt: BootTime, HeldTokenVerdict)
  /// The new token of an attempt was probed at the API.
  case probed(String, attempt: UInt64, ProbeVerdict)
  /// An application reports that the API rejected a token. With `nil`, it requests a new one.
  case reported(String, rejected: TokenDigest?)

  // MARK: The end

  /// The files of a token that is about to be revoked were removed, or their disk hangs.
  case withdrawn(String)
  /// A revocation has ended.
  case revoked(String)
}

/// The difference between the settings in effect and new ones.
public struct HostChange: Sendable {
  /// The tables that do not exist any more.
  public var removed: [String] = []
  /// Tables whose settings changed.
  public var changed: [(plan: TokenPlan, change: TokenChange)] = []
  /// New tables.
  public var added: [TokenPlan] = []
  /// The maximum number of simultaneous requests at one issuer.
  public var maxRequests: Int
  /// The tokens that must be published, or rejected, before the daemon is ready.
  public var awaited: Set<String> = []
  /// Whether this is all of the change. Otherwise the rest follows as another event.
  public var isComplete = true

  /// A difference in the limit of requests only.
  public init(maxRequests: Int) {
    self.maxRequests = maxRequests
  }
}

/// A token of the previous run that was verified.
public struct RestoredToken: Hashable, Sendable {
  /// When its request was sent.
  public var requestedAt: BootTime
  /// Its lifetime from then on.
  public var lifetime: Duration
  /// Its digest.
  public var digest: TokenDigest?
  /// Whether a new one must be requested at once: it is of previous settings, or was verified by introspection.
  public var needsSuccessor = false
  /// Whether every file holds it, with the right mode.
  public var areFilesRight = true
  /// Whether the API accepted a token before.
  public var wasAcceptedByAPI = false
  /// Why it is not accepted any more, as the previous run found; `nil` if it is accepted, as far as is known.
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
  /// Why the present settings brought no token, if the previous request brought this one instead; else `nil`.
  public var fallback: Fallback?

  /// A token with the given times.
  public init(requestedAt: BootTime, lifetime: Duration, digest: TokenDigest? = nil) {
    self.requestedAt = requestedAt
    self.lifetime = lifetime
    self.digest = digest
  }

  /// The use of the previous request: that with the settings and the secret that brought the last token.
  public struct Fallback: Hashable, Sendable {
    /// Why the present settings, or the present secret, brought no token.
    public var failure: AcquisitionFailure
    /// Whether the settings were previous ones, not only the secret.
    public var isOfFormerSettings: Bool

    /// A use after `failure`.
    public init(_ failure: AcquisitionFailure, isOfFormerSettings: Bool) {
      self.failure = failure
      self.isOfFormerSettings = isOfFormerSettings
    }
  }
}

/// A key set, and its verdicts about held tokens.
public struct KeySetReading: Sendable {
  /// A fingerprint of the key set.
  public var keySet: String
  /// How long it is fresh, by the server's response; `nil` if the response does not state it.
  public var freshness: Duration?
  /// The tokens that it verified, each with the time of its request.
  public var valid: [(token: String, requestedAt: BootTime)] = []
  /// The tokens that it does not verify any more.
  public var withdrawn: [(token: String, requestedAt: BootTime, failure: AcquisitionFailure)] = []

  /// A reading without verdicts.
  public init(keySet: String, freshness: Duration?) {
    self.keySet = keySet
    self.freshness = freshness
  }
}

/// The result of a check of a held token.
public enum HeldTokenVerdict: Hashable, Sendable {
  /// The server reports it as active.
  case active
  /// The server reports it as inactive.
  case inactive(AcquisitionFailure)
  /// The result of a probe.
  case api(ProbeVerdict)
  /// No result: introspection failed.
  case unknown
}

/// The verdict of the API about a token.
public enum ProbeVerdict: Hashable, Sendable {
  /// It accepts the token.
  case accepted
  /// It rejects the token: 401.
  case rejected(AcquisitionFailure)
  /// Its answer proves nothing, or there was none.
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
  /// The server rejects the client. The next request comes after this time.
  case rejectedByServer(Duration, FailureCode)
}

/// Work on all files of one token.
public enum FileWork: Hashable, Sendable {
  /// Write the newest token.
  case publish
  /// Remove the files.
  case remove
  /// Examine whether another process modified a file.
  case examine
}

/// The result of `FileWork`.
public enum FileOutcome: Hashable, Sendable {
  /// The work is done. With `examine`: no file was modified.
  case done
  /// The work failed for at least one file.
  case failed(String)
  /// The publication failed for at least one file, but the first one holds the newest token.
  case incomplete(String)
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
  /// Stop managing a token, and remove its files.
  case drop(String)

  // MARK: Requests

  /// Read the secrets of an attempt: `prepared`.
  case readSecrets(String, attempt: UInt64)
  /// Request a token, with this limit for one exchange: `finished`. If the request fails and `mayFallBack`, send the
  /// previous request, which brought the last token.
  case send(String, attempt: UInt64, timeout: Duration, mayFallBack: Bool)
  /// Abandon an attempt. Its result is ignored.
  case abandon(String, attempt: UInt64)
  /// Make the token that the attempt brought the newest one, with these times.
  case accept(String, attempt: UInt64, TokenTimes)
  /// Keep the newest token: the attempt brought it again, or an earlier one.
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
  /// Probe a held token at the API: `checked`.
  case probe(String)
  /// Probe the new token of an attempt at the API: `probed`.
  case probeCandidate(String, attempt: UInt64, timeout: Duration)
  /// Answer the report that is being handled.
  case reply(ReportReply)

  // MARK: Reports and time

  /// Write a log line.
  case report(HostReport)
  /// Report the status.
  case reportStatus
  /// Send `woke` at this time, instead of the time that was armed before.
  case arm(BootTime)

  // MARK: The end

  /// Refuse all connected units that have no answer yet, and send the rest of unfinished answers.
  case dismissUnits
  /// Restore the files of a token if another process modified them: they are not examined from now on.
  case restoreFiles(String)
  /// Remove the files of a token before it is revoked: `withdrawn`.
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
  /// A change in the lifecycle of one token.
  case token(String, LifecycleReport)
  /// The wall clock was stepped, or the host was suspended.
  case clock(ClockComparison.Change)
  /// All tokens that were awaited at the start are published, or rejected.
  case ready
  /// The API rejects this token, and has never accepted one: `api_url` may be wrong.
  case unprovenAPI(String, AcquisitionFailure)
}
