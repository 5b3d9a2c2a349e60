package import ModelStore
package import NIOCore

/// All event loops of the `api` listener, reached from the control path by messages.
package struct ServingLoops: Sendable {
    let loops: [NIOLoopBound<ServingLoop>]

    /// Makes one responder on each loop.
    ///
    /// - Parameters:
    ///   - group: The event loops.
    ///   - batcher: Computes what is too much for a loop; nil leaves all to them.
    ///   - make: Makes a loop's responder from the loop's number.
    /// - Returns: The responders.
    /// - Throws: What a closed loop throws.
    package static func make(
        on group: any EventLoopGroup,
        batcher: Batcher? = nil,
        _ make: @escaping @Sendable (_ shard: Int) -> ServingLoop
    ) async throws -> ServingLoops {
        var loops: [NIOLoopBound<ServingLoop>] = []
        var shard = 0
        for loop in group.makeIterator() {
            let number = shard
            loops.append(
                try await loop.submit {
                    let responder = make(number)
                    if let batcher { responder.attach(batcher, on: loop) }
                    return NIOLoopBound(responder, eventLoop: loop)
                }.get()
            )
            shard += 1
        }
        return ServingLoops(loops: loops)
    }

    /// The responder of a loop; it is called on that loop.
    package func responder(on loop: any EventLoop) -> ServingLoop? {
        loops.first { $0.eventLoop === loop }?.value
    }

    /// Puts a version live on every loop.
    ///
    /// - Parameters:
    ///   - model: The version.
    ///   - metrics: Its metric series.
    ///   - policy: Where its predictions are computed.
    /// - Returns: The versions that answered before, for the caller to let go.
    /// - Throws: What a closed loop throws.
    package func install(
        _ model: ActiveModel,
        metrics: ServedModelMetrics,
        policy: BatchPolicy
    ) async throws -> [ActiveModel] {
        var before: [ActiveModel] = []
        for loop in loops {
            let old = try await loop.eventLoop.submit {
                loop.value.install(model, metrics: metrics, policy: policy)
            }.get()
            if let old { before.append(old) }
        }
        return before
    }

    /// Takes a model out of service on every loop.
    ///
    /// - Parameter model: Its name.
    /// - Returns: The versions that answered, for the caller to let go.
    /// - Throws: What a closed loop throws.
    package func remove(_ model: String) async throws -> [ActiveModel] {
        var before: [ActiveModel] = []
        for loop in loops {
            let old = try await loop.eventLoop.submit { loop.value.remove(model) }.get()
            if let old { before.append(old) }
        }
        return before
    }

    /// Fetches the rows that the loops counted since the last call.
    ///
    /// - Throws: What a closed loop throws.
    package func takeBlocks() async throws -> [CountedRows] {
        var rows: [CountedRows] = []
        for loop in loops {
            rows += try await loop.eventLoop.submit { loop.value.takeBlocks() }.get()
        }
        return rows
    }
}
