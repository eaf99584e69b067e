import CCrypto

/// What all uses of libcrypto have in common.
enum LibCrypto {
  private static let initialized: Void = ccrypto_init()

  /// Calls `body`, and afterwards removes the errors that it left in the thread's queue.
  ///
  /// libcurl reads the same queue. It would report an old error as an error of its connection.
  static func call<Result>(_ body: () -> Result) -> Result {
    initialized
    ERR_set_mark()
    defer { ERR_pop_to_mark() }
    return body()
  }
}

/// A big number of libcrypto. It is wiped when it is freed.
struct BigNumber: ~Copyable {
  private let pointer: OpaquePointer

  /// Takes over `pointer`.
  private init(owning pointer: OpaquePointer) { self.pointer = pointer }

  /// The number of these bytes, the most significant one first. Nil if there is no memory.
  init?(bigEndian bytes: some Collection<UInt8>) {
    let bytes = Array(bytes)
    guard let number = BN_bin2bn(bytes, Int32(bytes.count), nil) else { return nil }
    self.init(owning: number)
  }

  /// A number of `key`, such as `OSSL_PKEY_PARAM_RSA_N`. Nil if the key does not have it.
  init?(_ name: String, of key: OpaquePointer) {
    var number: OpaquePointer?
    guard EVP_PKEY_get_bn_param(key, name, &number) == 1, let number else { return nil }
    self.init(owning: number)
  }

  deinit { BN_clear_free(pointer) }

  /// Calls `body` with the number, which is valid during the call only.
  func withPointer<Result>(_ body: (OpaquePointer) -> Result) -> Result { body(pointer) }

  var isZero: Bool { BN_is_zero(pointer) == 1 }
  var isOdd: Bool { BN_is_odd(pointer) == 1 }
  var bitWidth: Int { Int(BN_num_bits(pointer)) }

  static func < (left: borrowing BigNumber, right: borrowing BigNumber) -> Bool {
    BN_cmp(left.pointer, right.pointer) < 0
  }

  /// This number minus one. Nil if there is no memory.
  func predecessor() -> BigNumber? {
    guard let copy = BN_dup(pointer) else { return nil }
    guard BN_sub_word(copy, 1) == 1 else {
      BN_clear_free(copy)
      return nil
    }
    return BigNumber(owning: copy)
  }

  /// Whether this number times `other` is `product`.
  func times(_ other: borrowing BigNumber, is product: borrowing BigNumber) -> Bool {
    guard let context = BN_CTX_secure_new() else { return false }
    defer { BN_CTX_free(context) }
    guard let result = BN_new() else { return false }
    defer { BN_clear_free(result) }
    return BN_mul(result, pointer, other.pointer, context) == 1 && BN_cmp(result, product.pointer) == 0
  }

  /// Whether this number times `other` leaves the remainder 1 when it is divided by `modulus`.
  func isInverse(of other: borrowing BigNumber, modulo modulus: borrowing BigNumber) -> Bool {
    guard let context = BN_CTX_secure_new() else { return false }
    defer { BN_CTX_free(context) }
    guard let result = BN_new() else { return false }
    defer { BN_clear_free(result) }
    return BN_mod_mul(result, pointer, other.pointer, modulus.pointer, context) == 1 && BN_is_one(result) == 1
  }
}
