/// Suggestions for misspelled names.
package enum NearestName {
  /// The candidate that `name` is probably a misspelling of; nil if none is similar.
  package static func to(_ name: String, among candidates: [String]) -> String? {
    let folded = fold(name)
    if let same = candidates.first(where: { fold($0) == folded }) { return same }
    let ranked = candidates.map { (name: $0, distance: distance(folded, fold($0))) }
    guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
    return best.distance <= max(1, min(name.count, best.name.count) / 3) ? best.name : nil
  }

  /// The Damerau-Levenshtein distance in its restricted form, optimal string alignment.
  ///
  /// An insertion, a deletion, a replacement, and a swap of neighbors cost one each.
  package static func distance(_ left: String, _ right: String) -> Int {
    // Names in a configuration are short. The limit bounds the time that a long text takes.
    let left = Array(left.unicodeScalars.prefix(128))
    let right = Array(right.unicodeScalars.prefix(128))
    var beforeLast: [Int] = []
    var last = Array(0...right.count)
    for row in left.indices {
      var current = [row + 1]
      for column in right.indices {
        let replaced = last[column] + (left[row] == right[column] ? 0 : 1)
        var best = min(replaced, last[column + 1] + 1, current[column] + 1)
        if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
          best = min(best, beforeLast[column - 1] + 1)
        }
        current.append(best)
      }
      (beforeLast, last) = (last, current)
    }
    return last[right.count]
  }

  private static func fold(_ name: String) -> String {
    String(String.UnicodeScalarView(name.lowercased().unicodeScalars.filter { $0 != "_" && $0 != "-" }))
  }
}

extension String {
  /// Whether both have the same Unicode code points, as RFC 7515, section 5.3, and RFC 3986, section 6.2.1, compare.
  ///
  /// Swift's `==` treats canonically equivalent texts as equal, such as the Kelvin sign and `K`.
  package func isExactly(_ other: String) -> Bool {
    utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
  }
}
