internal import Synchronization

/// Lets so many requests a second through, and some more at once; shared by all event loops.
///
/// The generic cell rate algorithm (ITU-T I.371): one number says when the bucket would be full
/// again, so that the limit is exact however connections are spread over the loops, at the price of
/// one compare-and-exchange for a request of a limited caller.
package final class RateLimiter: Sendable {
    /// Nanoseconds of a request.
    private let interval: UInt64
    /// Nanoseconds of all requests that may come at once.
    private let tolerance: UInt64
    private let full = Atomic<UInt64>(0)

    /// Makes a limiter.
    ///
    /// - Parameters:
    ///   - rate: Requests a second, above 0.
    ///   - burst: Requests at once, at least 1.
    package init(rate: Double, burst: Double) {
        // Rates are 0.001 to 10^6 and bursts at most 10^6, so that no product passes 2^60.
        let nanoseconds = 1_000_000_000 / min(max(rate, 0.001), 1_000_000)
        interval = UInt64(nanoseconds)
        tolerance = UInt64(min(nanoseconds * min(max(burst, 1), 1_000_000), 0x1p60))
    }

    /// Takes one request off.
    ///
    /// - Parameter now: Nanoseconds of a clock that never goes back.
    /// - Returns: Nil when it may pass, else the nanoseconds until it might.
    package func take(now: UInt64) -> UInt64? {
        var known = full.load(ordering: .relaxed)
        while true {
            let next = max(known, now) &+ interval
            let latest = now &+ tolerance
            guard next <= latest else { return next - latest }
            let (exchanged, found) = full.weakCompareExchange(
                expected: known,
                desired: next,
                ordering: .relaxed
            )
            if exchanged { return nil }
            known = found
        }
    }
}
