/// Whether a team makes steps faster than its first member alone, tried anew from time to time.
///
/// A team waits for its slowest member. Where other work takes a core away, as on a machine that
/// serves while it trains, that can be slower than not to share at all.
struct TeamPace {
    /// Steps of one trial of each kind, and from one trial to the next.
    static let trial = 16
    static let period = 1024

    private let clock: (@Sendable () -> Double)?
    private var step = 0
    private var started = 0.0
    private var aloneSeconds = 0.0
    private var isSlower = false

    /// Measures with a clock of seconds; without one a team is taken to be faster.
    init(_ clock: (@Sendable () -> Double)?) {
        self.clock = clock
        started = clock?() ?? 0
    }

    /// Whether the next step should be made alone.
    var isAlone: Bool {
        guard clock != nil else { return false }
        if step < Self.trial { return true }
        return step >= 2 * Self.trial && isSlower
    }

    /// Takes note of the end of a step.
    mutating func stepEnded() {
        guard let clock else { return }
        step += 1
        switch step {
        case Self.trial:
            aloneSeconds = clock() - started
            started = clock()
        case 2 * Self.trial:
            isSlower = clock() - started > aloneSeconds
        case Self.period:
            step = 0
            started = clock()
        default: break
        }
    }
}
