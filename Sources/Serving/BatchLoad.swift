internal import Synchronization

/// How long what comes now would wait for the batcher, told by estimates.
///
/// Event loops ask and add, the batcher takes away; all by atomic words, so that a loop decides on
/// a request at once and without a lock. An estimate that is wrong corrects itself: the batcher
/// compares each product with its estimate.
package final class BatchLoad: Sendable {
    /// Nanoseconds of what waits.
    private let waiting = Atomic<UInt64>(0)
    /// Nanoseconds of the product that is being computed, and when it was begun.
    private let computing = Atomic<UInt64>(0)
    private let since = Atomic<UInt64>(0)
    /// How much longer products take than estimated, in 1/1024.
    private let slowdown = Atomic<UInt64>(1024)
    /// The share of requests that were refused of late, in 1/65,536.
    private let refused = Atomic<UInt64>(0)

    /// How long a request may wait.
    ///
    /// Two limits, for the reason that CoDel has (RFC 8289): a queue that comes and goes is let be,
    /// since even at half of what can be computed chance has some wait, while one that stands only
    /// makes everybody wait.
    package struct Limit: Sendable, Equatable {
        /// Nanoseconds while many are refused: more is asked than can be computed.
        package var standing: UInt64
        /// Nanoseconds while few are refused.
        package var burst: UInt64

        /// Takes the limits.
        package init(standing: UInt64, burst: UInt64) {
            (self.standing, self.burst) = (standing, max(standing, burst))
        }
    }

    /// The share of refused requests, in 1/65,536, from which on the queue is one that stands.
    private static let refusedMany: UInt64 = 65_536 / 8
    /// How many requests the share is of, about.
    private static let refusedOf: UInt64 = 64

    /// Nothing waits.
    package init() {}

    /// Nanoseconds until what comes now would be begun.
    ///
    /// - Parameter now: The time.
    /// - Returns: The estimate.
    package func wait(now: UInt64) -> UInt64 {
        let factor = slowdown.load(ordering: .relaxed)
        let begun = since.load(ordering: .relaxed)
        let elapsed = now > begun ? now - begun : 0
        let whole = Self.scaled(computing.load(ordering: .relaxed), factor)
        let rest = whole > elapsed ? whole - elapsed : 0
        return rest &+ Self.scaled(waiting.load(ordering: .relaxed), factor)
    }

    /// Whether a request can be taken on.
    ///
    /// It can when there is room in the next product: a product that is not full wastes what has
    /// been fetched from memory for it, and the more the longer products take. Else, what comes
    /// before it must be begun within the limit, or within the time that the request itself takes,
    /// if that is longer.
    ///
    /// - Parameters:
    ///   - own: Nanoseconds that the request takes, as estimated.
    ///   - product: Nanoseconds of a full product.
    ///   - limit: How long a request may wait.
    ///   - now: The time.
    /// - Returns: Whether it can.
    package func admits(own: UInt64, product: UInt64, limit: Limit, now: UInt64) -> Bool {
        let share = refused.load(ordering: .relaxed)
        let most = share < Self.refusedMany ? limit.burst : limit.standing
        let admits =
            waiting.load(ordering: .relaxed) &+ own <= product || wait(now: now) <= max(most, own)
        // Several loops may overwrite each other's word: it is an estimate.
        let decayed = share - share / Self.refusedOf
        refused.store(decayed + (admits ? 0 : 65_536 / Self.refusedOf), ordering: .relaxed)
        return admits
    }

    /// A job waits.
    package func added(_ nanoseconds: UInt64) {
        waiting.wrappingAdd(nanoseconds, ordering: .relaxed)
    }

    /// A job that waited is begun, or was withdrawn.
    package func removed(_ nanoseconds: UInt64) {
        waiting.wrappingSubtract(nanoseconds, ordering: .relaxed)
    }

    /// A product is begun.
    package func began(estimate: UInt64, now: UInt64) {
        since.store(now, ordering: .relaxed)
        computing.store(estimate, ordering: .relaxed)
    }

    /// The product has ended.
    package func ended(now: UInt64) {
        let estimate = computing.load(ordering: .relaxed)
        let begun = since.load(ordering: .relaxed)
        computing.store(0, ordering: .relaxed)
        guard estimate > 0, now > begun else { return }
        // A product that was held up by something else entirely shall not count for much.
        let ratio = min(max(Double(now - begun) / Double(estimate), 0.25), 16)
        let before = Double(slowdown.load(ordering: .relaxed))
        slowdown.store(UInt64(before + (ratio * 1024 - before) / 8), ordering: .relaxed)
    }

    private static func scaled(_ nanoseconds: UInt64, _ factor: UInt64) -> UInt64 {
        let (high, low) = nanoseconds.multipliedFullWidth(by: factor)
        return high >> 10 == 0 ? high << 54 | low >> 10 : .max
    }
}
