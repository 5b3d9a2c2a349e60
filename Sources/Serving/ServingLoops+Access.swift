internal import Features
internal import HTTPTransport
internal import NIOCore

extension ServingLoops {
    /// Has every loop show its requests to a gate.
    ///
    /// - Throws: What a closed loop throws.
    package func attach(_ control: AccessControl) async throws {
        for (shard, loop) in loops.enumerated() {
            let eventLoop = loop.eventLoop
            try await eventLoop.submit {
                loop.value.attach(control.gate(.api, on: eventLoop, shard: shard))
            }.get()
        }
    }

    /// Has every loop take labels, and tells the service of the loops.
    ///
    /// - Throws: What a closed loop throws.
    package func attach(_ service: FeedbackService) async throws {
        await service.attach(self)
        for loop in loops {
            let eventLoop = loop.eventLoop
            try await eventLoop.submit { loop.value.attach(service, on: eventLoop) }.get()
        }
    }

    /// Joins labels with the rows that the loops scored; each loop is asked for what none before
    /// it knew.
    ///
    /// - Throws: What a closed loop throws.
    func join(_ items: [FeedbackItem]) async throws -> [FeedbackOutcome] {
        var outcomes = items.map { _ in FeedbackOutcome.unknown }
        for loop in loops {
            let open = outcomes.indices.filter { outcomes[$0] == .unknown }
            if open.isEmpty { break }
            let asked = open.map { items[$0] }
            let found = try await loop.eventLoop.submit { loop.value.join(asked) }.get()
            for (index, outcome) in zip(open, found) { outcomes[index] = outcome }
        }
        return outcomes
    }
}
