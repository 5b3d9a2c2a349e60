/// The bodies of the Open Inference Protocol's repository requests, which may be empty.
package enum RepositoryRequest {
    /// Whether only models that answer are asked for.
    ///
    /// - Parameter body: Nothing, or `{"ready": true}`.
    /// - Returns: `false` when it does not say.
    /// - Throws: what is wrong with the body.
    package static func isReadyOnly(_ body: Span<UInt8>) throws(FeatureError) -> Bool {
        guard !body.isEmpty else { return false }
        var reader = JSONReader(body)
        var ready: Bool?
        try reader.beginObject()
        while let key = try reader.nextKey() {
            guard reader.matches(key, "ready") else {
                try reader.skipValue()
                continue
            }
            guard ready == nil else { throw PredictDecoder.repeated(key, reader) }
            ready = try reader.readBoolean()
        }
        try reader.finish()
        return ready ?? false
    }

    /// Checks the body of a load or an unload: no configuration and no files are taken this way.
    ///
    /// - Parameter body: Nothing, or `{"parameters": {"unload_dependents": …}}`.
    /// - Throws: ``FeatureError/invalidParameter(_:problem:)`` and what is wrong with the body.
    package static func check(_ body: Span<UInt8>) throws(FeatureError) {
        guard !body.isEmpty else { return }
        var reader = JSONReader(body)
        var hasParameters = false
        try reader.beginObject()
        while let key = try reader.nextKey() {
            guard reader.matches(key, "parameters") else {
                try reader.skipValue()
                continue
            }
            guard !hasParameters else { throw PredictDecoder.repeated(key, reader) }
            hasParameters = true
            try reader.beginObject()
            while let key = try reader.nextKey() {
                guard reader.matches(key, "unload_dependents") else {
                    let place = reader.place(key.range.lowerBound - 1)
                    let problem = "models come from the store, and their settings from its files"
                    throw .invalidParameter(place, problem: problem)
                }
                _ = try reader.readBoolean()
            }
        }
        try reader.finish()
    }
}
