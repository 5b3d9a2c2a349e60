package import ModelStore

/// A version that no longer answers, on its way from an event loop to where its end holds up
/// nobody: its buffers are many, and requests wait while a loop frees them.
package final class RetiredVersion: Sendable {
    /// The version.
    package let model: ActiveModel
    /// The loop's own part, as the bits of a reference that is counted; nil where a prediction of
    /// the loop still uses it, which then ends it there.
    private let part: UInt?

    /// Takes a loop's part, which answers no request from here on; nil when there is none.
    ///
    /// Only the loop used it, so where this is its last reference nobody else can reach it any more,
    /// and another thread may end it.
    init?(taking served: inout ServedModel?) {
        guard let model = served?.model else { return nil }
        self.model = model
        served?.isRetired = true
        part = Self.lastReference(&served)
    }

    deinit {
        guard let part, let pointer = unsafe UnsafeRawPointer(bitPattern: part) else { return }
        // Bounds: the bits of the one reference that `lastReference` retained.
        unsafe Unmanaged<ServedModel>.fromOpaque(pointer).release()
    }

    /// The bits of a reference that is kept if there is no other.
    private static func lastReference(_ served: inout ServedModel?) -> UInt? {
        guard isKnownUniquelyReferenced(&served), let last = served else { return nil }
        served = nil
        return unsafe UInt(bitPattern: Unmanaged.passRetained(last).toOpaque())
    }
}
