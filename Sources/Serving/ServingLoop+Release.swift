internal import Drift
internal import Features
internal import HTTPTransport
internal import ModelStore

/// What a loop does with a candidate: the choice for a request, and the exchange of references.
extension ServingLoop {
    /// The version that a request means: the one that its path names, else the one that the release
    /// gives it.
    ///
    /// - Parameters:
    ///   - request: What was asked.
    ///   - names: What the path names.
    ///   - index: The model's place among those of the loop.
    ///   - isPrediction: Whether a candidate may answer that is not named; else it is the stable
    ///     version that is told about.
    /// - Returns: The version.
    /// - Throws: ``PredictionFailure``.
    func chosen(
        for request: HTTPRequest,
        _ names: PathNames,
        _ index: Int,
        isPrediction: Bool
    ) throws(PredictionFailure) -> ServedModel {
        guard let stable = models[index].served else {
            let name = models[index].name
            throw models[index].isUnloaded ? .unloaded(name) : .notReady(name)
        }
        let head = request.head
        if let range = names.version {
            if head.pathPart(range, is: stable.versionText) { return stable }
            if let canary = models[index].canary, head.pathPart(range, is: canary.versionText) {
                return canary
            }
            throw .versionNotLive(model: stable.model.name, live: stable.model.version)
        }
        if let range = names.label {
            if ServedModel.labels.contains(where: { head.pathPart(range, is: $0) }) {
                return stable
            }
            if let canary = models[index].canary,
                head.pathPart(range, is: ServedModel.canaryLabel)
            {
                return canary
            }
            throw .unknownLabel(model: stable.model.name)
        }
        guard isPrediction, let route = models[index].route else { return stable }
        return route.choose(request, stable: stable)
    }

    private func index(of name: String) -> Int? { models.firstIndex { $0.name == name } }

    /// Puts a candidate beside the version that answers.
    ///
    /// - Returns: The candidate before, so that the caller lets it go off this loop.
    func installCandidate(
        _ version: PreparedVersion,
        _ stage: StagedRelease.Stage,
        _ settings: StagingSettings
    ) -> RetiredVersion? {
        guard let index = index(of: version.name), let served = version.served.take() else {
            return nil
        }
        let before = removeCandidate(version.name)
        let labelled = version.labelled(after: models[index].labelled)
        served.recent = labelled?.ring
        models[index].route = ReleaseRoute(served, labelled, stage: stage, settings)
        tap(index)
        return before
    }

    /// Moves the candidate to a stage.
    func route(_ name: String, _ stage: StagedRelease.Stage, _ settings: StagingSettings) {
        guard let index = index(of: name), let route = models[index].route else { return }
        models[index].route = ReleaseRoute(
            route.candidate,
            route.labelled,
            stage: stage,
            settings
        )
        tap(index)
    }

    /// Has rows of the version that answers everybody put aside for the version before.
    ///
    /// - Parameters:
    ///   - name: The model.
    ///   - version: The version that is watched; another one is left alone.
    ///   - share: The share of requests; 0 ends it.
    func watch(_ name: String, version: Int, share: Double) {
        guard let index = index(of: name), let served = models[index].served,
            served.model.version == version
        else { return }
        served.watchShare = share
        tap(index)
    }

    /// Has rows of the version that answers everybody put aside while somebody asks for them.
    private func tap(_ index: Int) {
        guard let served = models[index].served else { return }
        let share = max(models[index].route?.shadowShare ?? 0, served.watchShare)
        served.shadow =
            share > 0
            ? ShadowTap(
                share: share,
                version: served.model.version,
                rawWidth: served.model.bundle.manifest.schema.rawWidth
            ) : nil
    }

    /// Takes the candidate away.
    ///
    /// - Returns: It, so that the caller lets it go off this loop.
    func removeCandidate(_ name: String) -> RetiredVersion? {
        guard let index = index(of: name) else { return nil }
        var candidate = models[index].route?.candidate
        models[index].route = nil
        tap(index)
        return RetiredVersion(taking: &candidate)
    }

    /// Puts the candidate in the place of the version that answers; nothing is made anew, and what
    /// it has counted goes on.
    ///
    /// - Returns: The version before, so that the caller lets it go off this loop.
    func promoteCandidate(_ name: String) -> RetiredVersion? {
        guard let index = index(of: name), let route = models[index].route else { return nil }
        var before = models[index].served
        before?.shadow = nil
        if let labelled = route.labelled { models[index].labelled = labelled }
        models[index].route = nil
        models[index].served = route.candidate
        updateLargeModels()
        return RetiredVersion(taking: &before)
    }

    /// Rows that were put aside for the candidate since the last call.
    func takeShadow(_ name: String) -> ShadowRows? {
        index(of: name).flatMap { models[$0].served?.shadow?.take() }
    }

    /// Rows that the candidate has answered, counted for its drift monitor since the last call.
    func takeCandidateBlocks(_ name: String) -> [BlockCounts] {
        index(of: name).flatMap { models[$0].route?.candidate.takeBlocks().blocks } ?? []
    }
}

extension ServingLoop.Slot {
    /// The candidate, if it answers anybody.
    var canary: ServedModel? { route.flatMap { $0.isCanary ? $0.candidate : nil } }
}
