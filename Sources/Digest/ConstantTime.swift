internal import COpenSSL

/// Whether two byte strings are the same, in a time that depends on their lengths alone.
///
/// For tokens and message authentication codes, where the time of an early exit would tell an
/// attacker how much of a guess is right.
package func constantTimeEquals(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
    guard left.count == right.count else { return false }
    if left.isEmpty { return true }
    // Bounds: both buffers have left.count bytes, checked above.
    return unsafe left.withUnsafeBytes { leftBytes in
        unsafe right.withUnsafeBytes { rightBytes in
            unsafe CRYPTO_memcmp(leftBytes.baseAddress, rightBytes.baseAddress, leftBytes.count)
                == 0
        }
    }
}
