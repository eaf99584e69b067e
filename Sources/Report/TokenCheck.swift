import Base
import Broker
import Engine
import Files
import Glibc
public import HTTP
import OAuth
import Publication
public import Settings

/// The check of one token, by the same steps as in the daemon. They lead from the request to the file, and to the API
/// if its URL is known. The check requests a token and publishes nothing.
public struct TokenCheck: Sendable {
  let settings: TokenSettings
  let daemon: DaemonSettings
  /// The user that the daemon runs as.
  let userID: UInt32
  /// The directory that systemd makes when it starts the service.
  let futureDirectory: String?
  /// The URL of the API that gets the token once; `nil` for no API.
  let apiURL: Endpoint?

  /// A check of `settings`.
  ///
  /// - Parameters:
  ///   - userID: the user that the daemon runs as.
  ///   - futureDirectory: a directory that systemd makes when it starts the service. It need not exist yet.
  ///   - apiURL: the URL of the API that gets the token once, in place of the one in `settings`.
  public init(
    _ settings: TokenSettings, daemon: DaemonSettings, userID: UInt32, futureDirectory: String? = nil,
    apiURL: Endpoint? = nil
  ) {
    self.futureDirectory = futureDirectory
    self.apiURL = apiURL ?? settings.apiURL
    self.settings = settings
    self.daemon = daemon
    self.userID = userID
  }

  /// Runs the check.
  ///
  /// - Parameters:
  ///   - isOffline: whether to leave out the steps that need the network.
  ///   - onRequest: receives the URL of each request when it is sent.
  ///   - report: receives each step when it is complete.
  public func run(
    isOffline: Bool, onRequest: @escaping @Sendable (String) -> Void = { _ in },
    report: @escaping @Sendable (CheckStep) -> Void
  ) async {
    if let warning = unprotectedIssuer() { report(warning) }
    if let doubt = await settings.secretDoubt(as: userID) {
      report(step(.config, .warning, doubt, remedy: "remove that if the server rejects the client"))
    }
    for step in outputs() { report(step) }
    guard !isOffline else { return }
    let progress = CheckProgress(settings, asksAPI: apiURL != nil, onRequest: onRequest, report: report)
    do throws(AcquisitionFailure) {
      let request = try await settings.requestWithFiles(as: userID).get()
      for warning in request.certificateWarnings(unixTime: Moment.now().unix) {
        report(
          step(
            .config, .warning, warning,
            remedy: "register a new certificate at the server, then replace assertion_certificate_file and "
              + "private_key_file"))
      }
      let server = AuthorizationServer(
        issuer: settings.issuer, locations: settings.locations, transport: settings.transport(as: userID),
        http: HTTPClient(), observe: { progress.receive($0) })
      let verifiedToken = try await server.acquire(request)
      progress.verified(verifiedToken)
      report(refresh(lifetime: verifiedToken.lifetime, jitter: HostJitter.share(of: settings.name)))
      report(reader(verifiedToken))
      guard let apiURL else { return }
      onRequest(apiURL.origin + apiURL.path)
      report(await ask(apiURL, for: verifiedToken.accessToken))
    } catch {
      progress.failed(error)
    }
  }

  // MARK: Settings

  /// A warning about an issuer without TLS, which can be on localhost only.
  private func unprotectedIssuer() -> CheckStep? {
    guard let endpoint = try? Endpoint(settings.issuer), !endpoint.isSecure else { return nil }
    return step(
      .config, .warning,
      "\(settings.issuer) is not authenticated: any local user who takes port \(endpoint.port), "
        + "while the server is down, receives the client secret and can issue tokens",
      remedy: "give the server a certificate, and set issuer to its https URL and ca_file to its authority")
  }

  // MARK: Files

  private func outputs() -> [CheckStep] {
    settings.outputs.map { output in
      let place = FilePath.directory(of: output.path)
      if place == futureDirectory, FileAttributes(place).exists == false {
        return step(.output, .ok, "\(place): missing; systemd makes it when the service starts")
      }
      do throws(PublicationFailure) {
        let file = PublishedFile(
          path: output.path, mode: output.mode, allowsPersistentStorage: daemon.allowPersistentStorage)
        try file.check(owner: userID)
        let seen = FileAttributes(place)
        return step(
          .output, .ok,
          "\(place): \(daemon.allowPersistentStorage ? "" : "in memory, ")mode \(seen.mode ?? "?"), "
            + "\(seen.owner ?? "?"):\(seen.group ?? "?")"
        )
      } catch {
        return step(.output, .failed, error.problem, remedy: error.remedy)
      }
    }
  }

  // MARK: What follows from the token

  private func reader(_ verifiedToken: VerifiedToken) -> CheckStep {
    let details = settings.outputs.map { output in
      let size = RenderedToken.content(of: verifiedToken, as: output).count
      let seen = FileAttributes(output.path)
      let present =
        switch seen.exists {
        case true: "present with mode \(seen.mode ?? "?"), \(seen.owner ?? "?"):\(seen.group ?? "?")"
        case false: "missing: the daemon would write it"
        case nil: "not visible for this user"
        }
      return "\(output.path): \(output.format.rawValue), \(size) bytes, mode \(FileMode.octal(output.mode)); \(present)"
    }
    return step(
      .reader, .ok,
      "would read a token that is valid for \(Timestamp.span(verifiedToken.lifetime - RefreshSchedule.rounding))",
      details: details)
  }

  func step(
    _ name: CheckStep.Name, _ outcome: CheckStep.Outcome, _ summary: String, details: [String] = [],
    remedy: String? = nil
  ) -> CheckStep {
    CheckStep(name, outcome, summary, token: settings.name, details: details, remedy: remedy)
  }
}

extension DaemonSettings {
  /// The steps that check the paths of the socket and of the metrics file.
  ///
  /// - Parameters:
  ///   - userID: the user that the daemon runs as.
  ///   - futureDirectory: a directory that systemd makes when it starts the service. It need not exist yet.
  public func pathSteps(userID: UInt32, futureDirectory: String?) -> [CheckStep] {
    var steps: [CheckStep] = []
    if let credentialSocket {
      let directory = FilePath.directory(of: credentialSocket)
      if directory != futureDirectory {
        do throws(PublicationFailure) {
          _ = try OutputDirectory(directory, allowsPersistentStorage: true, owner: userID)
          steps.append(CheckStep(.output, .ok, "\(credentialSocket): the socket that systemd gets tokens from"))
        } catch {
          steps.append(CheckStep(.output, .failed, "credential_socket: \(error.problem)", remedy: error.remedy))
        }
      }
    }
    if let metricsFile {
      let directory = FilePath.directory(of: metricsFile)
      var status = stat()
      let isThere = stat(directory, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
      let isItsOwn = userID == 0 || (status.st_uid == userID && status.st_mode & 0o300 == 0o300)
      if isThere, isItsOwn || status.st_mode & 0o030 == 0o030 || status.st_mode & 0o003 == 0o003 {
        steps.append(CheckStep(.output, .ok, "\(metricsFile): metrics"))
      } else if directory != futureDirectory {
        steps.append(
          CheckStep(
            .output, .warning,
            "metrics_file: \(directory) \(isThere ? "is not writable for the daemon" : "does not exist")",
            remedy: isThere
              ? "use metrics.conf of the examples, or run: "
                + "chgrp konexus-token \(directory.shellQuoted) && chmod g+rwx \(directory.shellQuoted)"
              : "set metrics_file to another path, or create it: mkdir \(directory.shellQuoted)"))
      }
    }
    return steps
  }
}
