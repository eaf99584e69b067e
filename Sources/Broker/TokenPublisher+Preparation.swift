import Files

extension TokenPublisher {
  /// Prepares the files of tokens. Those on disks, which can hang, do not wait for each other.
  ///
  /// - Returns: why the files of a token are unfit, in the order of the tokens; `nil` if they are fit.
  func prepare(_ tokens: [ManagedToken]) async -> [PublicationFailure?] {
    var failures = [PublicationFailure?](repeating: nil, count: tokens.count)
    guard tokens.contains(where: \.files.arePersistent) else {
      for (index, token) in tokens.enumerated() { failures[index] = await failure(of: token) }
      return failures
    }
    await withTaskGroup(of: (Int, PublicationFailure?).self) { group in
      for (index, token) in tokens.enumerated() {
        // More calls would wait for each other, and use up their time limits.
        if index >= FileCalls.width, let (done, failure) = await group.next() { failures[done] = failure }
        group.addTask { (index, await self.failure(of: token)) }
      }
      for await (done, failure) in group { failures[done] = failure }
    }
    return failures
  }

  /// Checks that a token's files can be written, and locks their directories.
  private func failure(of token: ManagedToken) async -> PublicationFailure? {
    let files = token.files
    do throws(PrivateFile.Unreadable) {
      return try await besideIfPersistent(token) { [locks] in
        do throws(PublicationFailure) { try files.prepare() } catch { return error }
        do throws(DirectoryLocks.Held) {
          for directory in files.directories { try locks.take(directory) }
        } catch {
          return PublicationFailure(error)
        }
        return nil
      }
    } catch {
      return PublicationFailure(error.reason)
    }
  }
}
