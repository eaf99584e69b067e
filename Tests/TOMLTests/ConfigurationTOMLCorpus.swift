import Base

/// Documents of every construct of TOML 1.0, to be read, broken and mixed.
enum TOMLCorpus {
  static let valid: [String] = [
    "",
    "# only a comment",
    "\n\r\n\t \n",
    "a=1",
    "a = 1\r\nb = 2\r\n",
    "1234 = 'digits' # comment\n-_- = 'marks'",
    "\"quoted key\" = 1\n'literal \\ key' = 2\n\"\" = 3\n\"\\u0041\" = 4",
    "a.b.c = 1\na.b.d = 2\na . \"e\"\t.'f' = 3",
    "s = \"\"\nt = ''\nu = \"\"\"\"\"\"\nv = ''''''",
    "s = \"\\b\\t\\n\\f\\r\\\"\\\\\\u00e9\\U0001F600\"",
    "s = 'C:\\path\\n'",
    "s = \"\"\"\nfirst\nsecond \\\n     third\"\"\"",
    "s = \"\"\"a\"\"b\"\"\"\"\"",
    "s = '''a''b'''''",
    "s = '''\r\nx\r\ny'''",
    "s = \"\"\"x\\\n\n  \n y\\\"\"\"\"",
    "i = [+1, -1, 0, -0, 1_000, 0xdead_BEEF, 0o755, 0b1101, 9223372036854775807, -9223372036854775808]",
    "f = [1.0, +1.5, -0.01, 5e+22, 1e06, -2E-2, 6.626e-34, 224_617.445_991_228, "
      + "inf, -inf, +inf, nan, -nan, 0.0, -0.0, 0e0]",
    "b = [true, false]",
    "d = [1979-05-27T07:32:00Z, 1979-05-27T00:32:00-07:00, 1979-05-27 07:32:00.999999, "
      + "1979-05-27, 07:32:00, 2000-02-29]",
    "a = []\nb = [ ]\nc = [1,]\nd = [\n  1, # one\n  2\n  ,\n]\ne = [[1, 2], ['a'], [{x = 1}]]",
    "t = {}\nu = { }\nv = { a = 1, b.c = 2, b.d = {e = 'f'} }",
    "[a]\n[b]\nx = 1\n[b.c]\n[ d . 'e' . \"f\" ]\ny = 2",
    "[a.b.c]\nx = 1\n[a]\ny = 2\n[a.b]\nz = 3",
    "[[a]]\nx = 1\n[[a]]\n[a.b]\ny = 2\n[[a.c]]\n[[a.c]]\n[a.c.d]",
    "[fruit]\napple.color = 'red'\n[fruit.apple.texture]\nsmooth = true",
    "[daemon]\nlog_level = \"info\"\n\n[token.konexus]\nissuer = \"https://auth.alertsense.com\" # the server\n"
      + "scope = [\n  \"tamarack\",\n]\nmode = '0640'\n\n"
      + "[[token.konexus.output]]\nformat = \"env\"",
    "key = \"日本語 🚒\"\n\"ʎǝʞ\" = 1",
    "\u{FEFF}a = 1",
    "a = 1 # é \t",
  ]

  static let invalid: [String] = [
    "a", "a =", "= 1", "a = 1 b = 2", "a b = 1", "a = = 1", "a. = 1", ".a = 1", "a..b = 1", "a = 1\na = 2",
    "a = 1\na.b = 2", "a.b = 1\na = 2", "a.b = 1\n[a]", "[a]\n[a]", "[a]\nb = 1\n[a.b]", "[a", "[a]]", "[[a]", "[]",
    "[[]]",
    "[a] b = 1", "[a.]", "[.a]", "a = []\n[[a]]", "[[a]]\n[a]", "[a]\n[[a]]", "a = {}\n[a.b]", "a = {b = 1}\na.c = 2",
    "a = {b = {}}\na.b.c = 1", "a = {b = 1,}", "a = {b = 1\n}", "a = {b = 1, b = 2}", "a = {b.c = 1, b = 2}", "a = {,}",
    "[a.b.c]\n[a]\nb.c.d = 1", "[a.b]\n[a]\nb.c = 1",
    "s = \"", "s = \"abc", "s = \"a\nb\"", "s = 'a\nb'", "s = \"\"\"abc", "s = '''abc", "s = \"\"\"abc\"\"",
    "s = \"\\q\"",
    "s = \"\\u12\"", "s = \"\\ud800\"", "s = \"\\U00110000\"", "s = \"\\x41\"", "s = \"\\e\"", "s = \"a\u{1}\"",
    "s = \"a\u{7f}\"",
    "s = '''a\u{0b}'''", "s = \"\"\"a \\ b\"\"\"", "s = \"\"\"a\rb\"\"\"", "\"\"\"k\"\"\" = 1", "'''k''' = 1",
    "i = 01", "i = 1_", "i = _1", "i = 1__0", "i = 0x", "i = 0xg", "i = +0x1", "i = -0b1", "i = 0X1",
    "i = 9223372036854775808",
    "i = +-1", "i = --1", "f = 1.", "f = .5", "f = 1.e5", "f = 1e", "f = 1._5", "f = 01.5", "f = 1.5_", "f = 1e400",
    "f = Inf", "f = NaN",
    "f = +", "f = 1e5.5", "b = True", "b = TRUE", "b = tru", "b = yes", "d = 1979-13-01", "d = 1979-02-30",
    "d = 1979-05-27T",
    "d = 1979-05-27T25:00:00", "d = 1979-05-27T07:32", "d = 07:60:00", "d = 1979-5-27", "d = 1900-02-29",
    "d = 1979-05-27T07:32:00+25:00", "d = 1979-05-27T07:32:00.", "a = [1 2]", "a = [,]", "a = [1,,2]", "a = [1",
    "a = [1,\n",
    "a = [1}", "a = 1 # c\u{1}", "# c\u{7f}", "a = 1\r", "\rb = 1", "a = abc", "a = 'x' y",
    "[a]\nb.c = 1\n[a.b]",
  ]

  private static let snippets = [
    "[a]", "[[a]]", "[a.b]", "a.b = 1", "b = 'x'", "\"", "'", "\"\"\"", "'''", "\n", "\r\n", "#", "=", ".", ",", "[",
    "]", "{", "}", "\\",
    "\\u0041", "\\\n", "1", "0", "_", "-", "+", "e", "1.5", "true", "nan", "inf", "0x1f", "1979-05-27", "07:32:00", "T",
    "Z", " ", "\t", "é",
    "\u{1}", "\u{7f}", "a", "b", ":",
  ]

  /// Two documents in one, or one with a few places changed.
  static func mutated(using generator: inout SplitMix64) -> String {
    func pick(_ list: [String], _ generator: inout SplitMix64) -> String {
      list.randomElement(using: &generator) ?? ""
    }
    var text = Array(pick(valid, &generator).unicodeScalars)
    if Int.random(in: 0..<4, using: &generator) == 0 {
      text += Array("\n".unicodeScalars) + Array(pick(valid, &generator).unicodeScalars)
    }
    for _ in 0..<Int.random(in: 0...3, using: &generator) {
      let place = Int.random(in: 0...text.count, using: &generator)
      switch Int.random(in: 0..<3, using: &generator) {
      case 0: text.insert(contentsOf: Array(pick(snippets, &generator).unicodeScalars), at: place)
      case 1: text.removeSubrange(place..<min(place + Int.random(in: 1...3, using: &generator), text.count))
      default:
        let end = min(place + 1, text.count)
        text.replaceSubrange(place..<end, with: Array(pick(snippets, &generator).unicodeScalars))
      }
    }
    return String(String.UnicodeScalarView(text))
  }
}
