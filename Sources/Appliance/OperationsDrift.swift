internal import Drift
internal import Serving

/// What `GET /drift` answers.
extension Operations {
    /// All that is known, or where images have changed.
    ///
    /// - Parameters:
    ///   - format: Nil or `json` for the report; `pixels` or `png` for the map of a model's images.
    ///   - model: The model of the map.
    /// - Returns: The answer.
    func driftAnswer(_ format: String?, _ model: String?) async -> Result {
        switch format {
        case nil, "json": return await answer { await driftReport() }
        case "pixels", "png": break
        default:
            return failure(400, "parameter_invalid", "format: expected json, pixels or png")
        }
        let name: String
        do {
            name = try parts.settings.resolveModel(model)
        } catch {
            return failure(model == nil ? 400 : 404, "model_unknown", "\(error)")
        }
        guard let map = await drift.pixelMap(of: name) else {
            let problem =
                "\(name) has no map: its inputs are no small images, are not watched, or "
                + "too few came since the version went live"
            return failure(409, "map_unavailable", problem)
        }
        guard format == "png" else { return await answer { map } }
        do {
            return Result(png: try PixelPicture(map: map).png())
        } catch {
            return failure(500, "internal", "\(error)")
        }
    }

    private func driftReport() async -> [String: WatchedModel] {
        var report: [String: WatchedModel] = [:]
        for (model, follower) in zip(parts.settings.models, followers) {
            guard let drift = await drift.report(of: model.name) else { continue }
            let live = await follower.current?.version ?? 0
            report[model.name] = WatchedModel(
                drift: drift,
                labelled: await feedback.report(model: model.name, version: live)
            )
        }
        return report
    }
}

/// A model's part of `GET /drift`: what is watched, and what labels say.
private struct WatchedModel: Encodable {
    let drift: DriftReport
    let labelled: RiskReport?

    private enum CodingKeys: String, CodingKey {
        case labelled
    }

    func encode(to encoder: any Encoder) throws {
        try drift.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(labelled, forKey: .labelled)
    }
}
