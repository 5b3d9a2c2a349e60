internal import Features
package import ModelStore
package import NIOCore
internal import NeuralNetwork
internal import Telemetry

/// All event loops of the `api` listener, reached from the control path by messages.
package struct ServingLoops: Sendable {
    let loops: [NIOLoopBound<ServingLoop>]
    /// What each loop's part of a version is made of, so that it is made off the loop.
    let makers: [VersionMaker]

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
        var makers: [VersionMaker] = []
        var shard = 0
        for loop in group.makeIterator() {
            let number = shard
            let (responder, settings) = try await loop.submit {
                let responder = make(number)
                if let batcher { responder.attach(batcher, on: loop) }
                return (NIOLoopBound(responder, eventLoop: loop), responder.settings)
            }.get()
            loops.append(responder)
            makers.append(
                VersionMaker(settings: settings, shard: number, batcher: batcher, loop: loop)
            )
            shard += 1
        }
        return ServingLoops(loops: loops, makers: makers)
    }

    /// The responder of a loop; it is called on that loop.
    package func responder(on loop: any EventLoop) -> ServingLoop? {
        loops.first { $0.eventLoop === loop }?.value
    }

    /// Puts a version live on every loop.
    ///
    /// Its parts are made here; a loop only exchanges references.
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
        for (loop, maker) in zip(loops, makers) {
            let prepared = maker.make(model, metrics: metrics, policy: policy)
            let old = try await loop.eventLoop.submit { loop.value.install(prepared) }.get()
            if let old { before.append(old.model) }
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
            if let old { before.append(old.model) }
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

/// Makes one event loop's part of a version.
struct VersionMaker: Sendable {
    let settings: ServingSettings
    let shard: Int
    let batcher: Batcher?
    let loop: any EventLoop

    /// Makes all that a loop would otherwise have to make while requests wait.
    func make(
        _ model: ActiveModel,
        metrics: ServedModelMetrics,
        policy: BatchPolicy
    ) -> PreparedVersion {
        let batching = batcher.map {
            ServedBatching(policy: policy, batcher: $0, loop: loop, series: metrics.batches)
        }
        let served = ServedModel(
            model,
            metrics: metrics,
            batching: batching,
            settings: settings,
            shard: shard
        )
        let ring = settings.feedbackBytes[model.name].map { bytes in
            let keepsRaw = settings.capturedModels.contains(model.name)
            return Handover(
                RecentPredictions(
                    bytesMax: bytes,
                    width: model.bundle.network.outputWidth,
                    rawWidth: keepsRaw ? model.bundle.manifest.schema.rawWidth : 0
                )
            )
        }
        return PreparedVersion(
            name: model.name,
            served: Handover(served),
            meaning: LabelledModel.Meaning(model),
            ring: ring,
            onLoop: metrics.swapOnLoop
        )
    }
}

/// A version on its way to one event loop.
package struct PreparedVersion: Sendable {
    let name: String
    let served: Handover<ServedModel>
    let meaning: LabelledModel.Meaning
    /// Where rows wait for their labels; nil where labels find nothing.
    let ring: Handover<RecentPredictions>?
    /// How long the loop is held.
    let onLoop: Histogram

    /// How labels find the rows of this version: in the ring of the version before where they mean
    /// the same, so that no row is lost; this version's own then goes away off the loop.
    func labelled(after before: LabelledModel?) -> LabelledModel? {
        guard let ring else { return nil }
        if let before, meaning.isShared(with: before.meaning) {
            return LabelledModel(meaning: meaning, ring: before.ring)
        }
        return ring.take().map { LabelledModel(meaning: meaning, ring: $0) }
    }
}
