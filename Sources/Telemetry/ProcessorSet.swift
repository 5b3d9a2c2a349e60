internal import CGlibc

/// The processors on which a thread may run (sched_setaffinity(2)).
package struct ProcessorSet: Sendable, Equatable {
    /// Their numbers, ascending.
    package let numbers: [Int]

    /// Takes numbers; those that the system knows no place for are left out.
    package init(_ numbers: [Int]) {
        self.numbers = numbers.filter { (0..<leeway_processors_max).contains($0) }
            .sorted()
    }

    /// The set of the calling thread; nil when the system does not tell.
    package static var current: ProcessorSet? {
        var mask = leeway_processors()
        guard unsafe leeway_processors_read(&mask) != 0 else { return nil }
        // Bounds: the shim checks each number.
        return ProcessorSet(
            (0..<leeway_processors_max).filter {
                unsafe leeway_processors_has(&mask, $0) != 0
            }
        )
    }

    /// Lets the calling thread run on these only.
    ///
    /// - Returns: Whether the system allows it; if not, nothing has changed.
    @discardableResult
    package func adopt() -> Bool {
        var mask = leeway_processors()
        // Bounds: the shim checks each number.
        for number in numbers { unsafe leeway_processors_add(&mask, number) }
        return unsafe leeway_processors_adopt(&mask) != 0
    }
}
