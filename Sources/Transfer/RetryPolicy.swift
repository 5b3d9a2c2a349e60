/// How often and how patiently a download is tried again.
///
/// The wait after round *n* is drawn evenly from 0 to min(cap, base × 2ⁿ): "full jitter", so that
/// machines that failed together do not come back together.
package struct RetryPolicy: Sendable, Equatable {
    /// How many times the list of mirrors is gone through, the first time included.
    package var roundsMax: Int
    /// The upper end of the first wait.
    package var baseMilliseconds: Int
    /// The upper end of any wait, and the longest `Retry-After` that is believed.
    package var capMilliseconds: Int
    /// All waits together; a wait that would go beyond it ends the download instead.
    package var waitMillisecondsMax: Int
    /// No round begins later than this after the downloader was made; nil sets no end.
    package var windowMilliseconds: Int?

    /// Six rounds, 1 s doubled up to 10 min, half an hour of waiting in all.
    package init(
        roundsMax: Int = 6,
        baseMilliseconds: Int = 1000,
        capMilliseconds: Int = 600_000,
        waitMillisecondsMax: Int = 1_800_000,
        windowMilliseconds: Int? = nil
    ) {
        self.roundsMax = roundsMax
        self.baseMilliseconds = baseMilliseconds
        self.capMilliseconds = capMilliseconds
        self.waitMillisecondsMax = waitMillisecondsMax
        self.windowMilliseconds = windowMilliseconds
    }

    /// One try, no waiting.
    package static let never = RetryPolicy(roundsMax: 1)

    /// The upper end of the wait after a round, counted from zero.
    func jitterMillisecondsMax(round: Int) -> Int {
        // 2^30 × any base is beyond every cap; the shift stays within the integer.
        let factor = 1 << min(max(round, 0), 30)
        let (product, isTooMuch) = max(0, baseMilliseconds).multipliedReportingOverflow(by: factor)
        return isTooMuch ? max(0, capMilliseconds) : min(product, max(0, capMilliseconds))
    }
}
