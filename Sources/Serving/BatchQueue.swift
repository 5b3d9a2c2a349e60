/// Decides which waiting rows are computed together, and when: the brain of ``Batcher``.
///
/// Pure: no clock and no thread; times are nanoseconds of any clock that does not go back. What
/// waits longest is computed first, together with what else waits for the same version.
package struct BatchQueue<Job> {
    /// Which rows may be together, and how long they wait for each other.
    package struct Rules: Sendable, Equatable {
        /// Most rows of a product that serves several requests; a larger request goes alone.
        package var rowsMax: Int
        /// Nanoseconds that rows wait for company while nothing else is to be computed.
        package var delayNanoseconds: UInt64

        /// Takes the rules.
        package init(rowsMax: Int, delayNanoseconds: UInt64) {
            self.rowsMax = max(1, rowsMax)
            self.delayNanoseconds = delayNanoseconds
        }
    }

    /// What is to be done now.
    package enum Step {
        /// Nothing waits.
        case idle
        /// Nothing, until then or until more is added.
        case wait(until: UInt64)
        /// These are computed in one product; the queue has forgotten them.
        case compute([Job])
    }

    private struct Entry {
        let job: Job
        let group: ObjectIdentifier
        let rows: Int
        let rules: Rules
        let arrived: UInt64
    }

    private var entries: [Entry] = []

    /// Nothing waits.
    package init() {}

    /// How many jobs wait, those that nobody wants any more included.
    package var count: Int { entries.count }

    /// Puts a job at the end.
    ///
    /// - Parameters:
    ///   - job: What is to be computed.
    ///   - group: Only jobs of one group are computed together: one version of one model.
    ///   - rows: Its rows, at least 1.
    ///   - rules: Of its group.
    ///   - now: The time.
    package mutating func add(
        _ job: Job,
        group: ObjectIdentifier,
        rows: Int,
        rules: Rules,
        now: UInt64
    ) {
        entries.append(Entry(job: job, group: group, rows: rows, rules: rules, arrived: now))
    }

    /// Forgets what nobody wants any more, and says what is to be done.
    ///
    /// - Parameters:
    ///   - now: The time.
    ///   - isWanted: Whether somebody still waits for a job.
    /// - Returns: What is to be done.
    package mutating func next(now: UInt64, isWanted: (Job) -> Bool) -> Step {
        entries.removeAll { !isWanted($0.job) }
        guard let first = entries.first else { return .idle }
        let (chosen, isOpen) = choose(first)
        let due = first.arrived &+ first.rules.delayNanoseconds
        if isOpen, now < due { return .wait(until: due) }
        let jobs = chosen.map { entries[$0].job }
        for index in chosen.reversed() { entries.remove(at: index) }
        return .compute(jobs)
    }

    /// The places of the jobs that go with the first, and whether more would be welcome: not when
    /// they are enough, and not when another group waits.
    private func choose(_ first: Entry) -> (places: [Int], isOpen: Bool) {
        var places: [Int] = []
        var rows = 0
        var isOpen = true
        for (index, entry) in entries.enumerated() {
            guard entry.group == first.group else {
                isOpen = false
                continue
            }
            guard places.isEmpty || rows + entry.rows <= first.rules.rowsMax else {
                // Nobody of a group overtakes another.
                return (places, false)
            }
            places.append(index)
            rows += entry.rows
        }
        return (places, isOpen && rows < first.rules.rowsMax)
    }
}
