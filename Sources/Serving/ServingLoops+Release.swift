internal import Drift
internal import ModelStore
internal import NIOCore

/// How the control path reaches the loops with a candidate; the choice for a request is made on the
/// loop alone, by references that are its own.
extension ServingLoops {
    /// Puts a candidate beside the version that answers, on every loop.
    ///
    /// - Returns: The candidates before, for the caller to let go.
    /// - Throws: What a closed loop throws.
    func installCandidate(
        _ model: ActiveModel,
        metrics: ServedModelMetrics,
        policy: BatchPolicy,
        stage: StagedRelease.Stage,
        _ settings: StagingSettings
    ) async throws -> [ActiveModel] {
        var before: [ActiveModel] = []
        for (loop, maker) in zip(loops, makers) {
            let prepared = maker.make(model, metrics: metrics, policy: policy)
            let old = try await loop.eventLoop.submit {
                loop.value.installCandidate(prepared, stage, settings)
            }.get()
            if let old { before.append(old.model) }
        }
        return before
    }

    /// Moves a candidate to a stage on every loop.
    ///
    /// - Throws: What a closed loop throws.
    func route(
        _ name: String,
        _ stage: StagedRelease.Stage,
        _ settings: StagingSettings
    ) async throws {
        for loop in loops {
            try await loop.eventLoop.submit { loop.value.route(name, stage, settings) }.get()
        }
    }

    /// Takes a candidate away on every loop.
    ///
    /// - Returns: It, for the caller to let go.
    /// - Throws: What a closed loop throws.
    func removeCandidate(_ name: String) async throws -> [ActiveModel] {
        var before: [ActiveModel] = []
        for loop in loops {
            let old = try await loop.eventLoop.submit { loop.value.removeCandidate(name) }.get()
            if let old { before.append(old.model) }
        }
        return before
    }

    /// Makes the candidate the version that answers, on every loop.
    ///
    /// - Returns: The versions before, for the caller to let go.
    /// - Throws: What a closed loop throws.
    func promoteCandidate(_ name: String) async throws -> [ActiveModel] {
        var before: [ActiveModel] = []
        for loop in loops {
            let old = try await loop.eventLoop.submit { loop.value.promoteCandidate(name) }.get()
            if let old { before.append(old.model) }
        }
        return before
    }

    /// Has rows of the version that answers put aside for the version before, on every loop.
    ///
    /// - Throws: What a closed loop throws.
    func watch(_ name: String, version: Int, share: Double) async throws {
        for loop in loops {
            try await loop.eventLoop.submit {
                loop.value.watch(name, version: version, share: share)
            }.get()
        }
    }

    /// Rows that the loops have put aside for a candidate, or the version before.
    ///
    /// - Throws: What a closed loop throws.
    func takeShadow(_ name: String) async throws -> [ShadowRows] {
        var rows: [ShadowRows] = []
        for loop in loops {
            let found = try await loop.eventLoop.submit { loop.value.takeShadow(name) }.get()
            if let found { rows.append(found) }
        }
        return rows
    }

    /// Rows that a candidate has answered, counted for its drift monitor.
    ///
    /// - Throws: What a closed loop throws.
    func takeCandidateBlocks(_ name: String) async throws -> [BlockCounts] {
        var blocks: [BlockCounts] = []
        for loop in loops {
            blocks += try await loop.eventLoop.submit {
                loop.value.takeCandidateBlocks(name)
            }.get()
        }
        return blocks
    }
}
