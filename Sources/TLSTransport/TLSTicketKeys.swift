internal import COpenSSL
internal import Synchronization

/// The keys that seal session tickets; shared by contexts, so that a session outlives one of them.
///
/// The newest key seals. One that has been followed by another still opens what it sealed, until
/// the last of those sessions has ended, and is forgotten then: who steals the keys can read no
/// connection older than that (with TLS 1.2; TLS 1.3 agrees on new keys at each resumption).
package final class TLSTicketKeys: Sendable {
    /// How long a session can be resumed, in seconds.
    package let sessionSeconds: Int64
    private let rotationSeconds: Int64
    private let clock: @Sendable () -> Int64
    /// Newest first, at least one.
    private let keys: Mutex<[Key]>

    /// One key: name (16 bytes), HMAC key (32), AES key (32).
    struct Key: Sendable {
        fileprivate let bytes: [UInt8]
        fileprivate let madeAt: Int64
        /// When it was followed by the next one; nil for the newest.
        fileprivate var followedAt: Int64?

        var name: ArraySlice<UInt8> { bytes[0..<TLSTicketKeys.nameBytes] }
        var macKey: ArraySlice<UInt8> { bytes[16..<48] }
        var cipherKey: ArraySlice<UInt8> { bytes[48..<80] }
        var isNewest: Bool { followedAt == nil }
    }

    /// Makes the first key.
    ///
    /// - Parameters:
    ///   - rotationSeconds: How long a key seals before another one is made.
    ///   - sessionSeconds: How long a session can be resumed.
    ///   - clock: Seconds since some moment, never going back.
    /// - Throws: ``TLSError/libraryFailed(operation:reason:)`` without a random source.
    package init(
        rotationSeconds: Int64 = 12 * 3600,
        sessionSeconds: Int64 = 2 * 3600,
        clock: @escaping @Sendable () -> Int64 = { TLSTicketKeys.monotonicSeconds() }
    ) throws(TLSError) {
        self.rotationSeconds = rotationSeconds
        self.sessionSeconds = sessionSeconds
        self.clock = clock
        keys = Mutex([try Self.makeKey(now: clock())])
    }

    /// Makes a new key when the newest is due, and forgets those that can open no live session.
    ///
    /// Every handshake does so, too; this is for the time without any.
    package func rotateIfDue() {
        keys.withLock { rotate(&$0) }
    }

    /// The number of keys that open tickets.
    package var count: Int { keys.withLock { $0.count } }

    /// The key to seal a new ticket with.
    func sealing() -> Key? {
        keys.withLock { keys in
            rotate(&keys)
            return keys.first
        }
    }

    /// The key that sealed a ticket; nil when it is none of ours, or forgotten.
    func opening(_ name: [UInt8]) -> Key? {
        keys.withLock { keys in
            rotate(&keys)
            return keys.first { $0.name.elementsEqual(name) }
        }
    }

    private func rotate(_ keys: inout [Key]) {
        let now = clock()
        if let newest = keys.first, now - newest.madeAt >= rotationSeconds,
            // Without a random source, the old key is better than none.
            let next = try? Self.makeKey(now: now)
        {
            keys[0].followedAt = now
            keys.insert(next, at: 0)
        }
        keys.removeAll { key in key.followedAt.map { now - $0 > sessionSeconds } ?? false }
    }

    private static func makeKey(now: Int64) throws(TLSError) -> Key {
        var bytes = [UInt8](repeating: 0, count: byteCount)
        try OpenSSLError.check("make a ticket key") {
            // Bounds: the library writes exactly the array's bytes.
            unsafe bytes.withUnsafeMutableBufferPointer { buffer in
                unsafe RAND_priv_bytes(buffer.baseAddress, Int32(buffer.count))
            }
        }
        return Key(bytes: bytes, madeAt: now)
    }

    /// Seconds since the first call, by a clock that never goes back.
    package static func monotonicSeconds() -> Int64 {
        (ContinuousClock.now - start).components.seconds
    }

    private static let start = ContinuousClock.now
    static let nameBytes = 16
    static let ivBytes = 16
    private static let byteCount = 80
}
