internal import Digest
internal import Drift
package import Features
package import Files
package import FoundationEssentials
internal import Glibc
package import ModelStore
package import NeuralNetwork

/// Versions of a small image model without any training.
package enum TinyModel {
    /// The time at which every version was made: 2026-11-23 20:36:00 UTC.
    package static let created = Date(timeIntervalSince1970: 1_795_466_160)
    /// Rows behind the reference profile.
    package static let referenceRows = 900

    /// What a valid image is.
    ///
    /// - Throws: Never, since the layout is right.
    package static func schema() throws -> FeatureSchema {
        try FeatureSchema(
            .image(ImageLayout(shape: TinyData.shape, scaling: .constant(divisor: 255)))
        )
    }

    /// A network whose weights say that the brightest line is the class.
    ///
    /// - Parameter sharpness: How sure it is; other values make other versions.
    /// - Returns: A network of one layer.
    /// - Throws: Never, since the layers fit.
    package static func network(sharpness: Float = 2) throws -> MultilayerPerceptron {
        var weights = Matrix(rows: 9, columns: 3, values: [Float](repeating: 0, count: 27))
        for pixel in 0..<9 { weights[pixel, pixel / 3] = sharpness }
        return try MultilayerPerceptron(
            layers: [DenseLayer(weights: weights, bias: [0, 0, 0], activation: .identity)],
            head: .softmax
        )
    }

    /// All of a version but its number.
    ///
    /// - Throws: What its parts throw.
    package static func draft(_ model: String = "lines", sharpness: Float = 2) throws
        -> ModelBundle.Draft
    {
        let (schema, network) = try (schema(), network(sharpness: sharpness))
        let raw = TinyData.pixels(referenceRows).map { Float($0) }
        let outputs = answers(network, schema, raw)
        var builder = try ReferenceBuilder(
            schema: schema,
            prediction: .classes(count: 3),
            classLabels: TinyData.labels
        )
        try builder.addTraining(
            raw: raw.span,
            probabilities: outputs.span,
            rowCount: referenceRows
        )
        try builder.addHoldout(
            raw: raw.span,
            probabilities: outputs.span,
            rowCount: referenceRows
        )
        return ModelBundle.Draft(
            model: model,
            created: created,
            task: .classification,
            labels: TinyData.labels,
            schema: schema,
            data: Manifest.Provenance(
                sources: ["train.features": "\(sharpness)"],
                settings: "settings",
                trainRows: referenceRows,
                holdoutRows: referenceRows
            ),
            training: Manifest.TrainingSummary(
                trigger: "manual",
                seconds: 0.5,
                epochs: 1,
                seed: 1,
                scores: Scores(
                    rows: referenceRows,
                    loss: 0.25,
                    accuracy: 0.5,
                    meanAbsoluteError: nil
                )
            ),
            network: network,
            reference: try builder.finish(),
            selfTest: SelfTest(
                rows: Array(raw.prefix(9 * 4)),
                probabilities: Array(outputs.prefix(3 * 4)),
                rowCount: 4
            ),
            report: Array("{}".utf8)
        )
    }

    /// The network's answers to raw rows.
    package static func answers(
        _ network: MultilayerPerceptron,
        _ schema: FeatureSchema,
        _ raw: [Float]
    ) -> [Float] {
        let rowCount = raw.count / schema.rawWidth
        var inputs = [Float](repeating: 0, count: rowCount * schema.encodedWidth)
        var target = inputs.mutableSpan
        schema.encode(raw: raw.span, into: &target)
        var scratch = InferenceScratch()
        network.forward(rows: inputs.span, rowCount: rowCount, scratch: &scratch)
        let found = scratch.probabilities
        return found.indices.map { found[$0] }
    }
}

extension ModelDirectory {
    /// Takes the lock as soon as it is free.
    ///
    /// A process that another test starts holds a copy of it until its `exec`.
    package func lockWhenFree() async throws -> OpenFile {
        for _ in 0..<1_000_000 {
            do {
                return try lockForRetraining()
            } catch StoreError.locked {
                await Task.yield()
            }
        }
        return try lockForRetraining()
    }

    /// Publishes a small version as a manual retrain does.
    ///
    /// - Throws: `StoreError`, or what the draft throws.
    @discardableResult
    package func publishTiny(sharpness: Float = 2) throws -> Int {
        try publish(TinyModel.draft(model, sharpness: sharpness)) { version, previous, digest in
            JournalEntry(
                time: TinyModel.created,
                event: .published,
                version: version,
                previous: previous,
                actor: "manual",
                reason: "test",
                digest: digest
            )
        }
    }

    /// Writes a small version as a candidate.
    ///
    /// - Throws: `StoreError`, or what the draft throws.
    @discardableResult
    package func stageTiny(_ stage: StagedRelease.Stage, sharpness: Float = 2) throws -> Int {
        try publish(TinyModel.draft(model, sharpness: sharpness), stagedIn: stage)
    }

    /// Writes a version as a candidate.
    ///
    /// - Throws: `StoreError`.
    @discardableResult
    package func publish(
        _ draft: ModelBundle.Draft,
        stagedIn stage: StagedRelease.Stage
    ) throws -> Int {
        try publish(draft, as: .staged(stage)) { version, previous, digest in
            JournalEntry(
                time: TinyModel.created,
                event: .staged,
                version: version,
                previous: previous,
                actor: "manual",
                reason: "test",
                digest: digest,
                stage: stage
            )
        }
    }

    /// The bytes of a file of a version.
    ///
    /// - Throws: `FileError`.
    package func bytes(_ name: String, of version: Int = 1) throws -> [UInt8] {
        try WholeFile.read("\(folder(of: version))/\(name)", bytesMax: 1 << 24)
    }

    /// Puts other bytes in a file's place; the manifest knows nothing of it.
    ///
    /// - Throws: `FileError`.
    package func overwrite(_ name: String, of version: Int = 1, _ bytes: [UInt8]) throws {
        // Without waiting for the disk, since tests do this hundreds of times.
        let path = "\(folder(of: version))/\(name)"
        try OpenFile(path, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644).write(bytes)
    }

    /// Puts other bytes in a file's place, and their digest into the manifest: what somebody
    /// would do who wants the file to be believed.
    ///
    /// - Throws: `FileError`, `StoreError`.
    package func forge(_ name: String, of version: Int = 1, _ bytes: [UInt8]) throws {
        try overwrite(name, of: version, bytes)
        var manifest = try Manifest.read(from: self, version: version)
        manifest.files[name]?.bytes = bytes.count
        manifest.files[name]?.sha256 = try SHA256Digest.of(bytes).hex
        try overwrite(
            ModelBundle.manifestName,
            of: version,
            StoreJSON.encode(manifest, pretty: true)
        )
    }

    /// Loads a version as the follower does, without looking at the pointer.
    ///
    /// - Throws: `StoreError`.
    package func active(_ version: Int = 1) throws(StoreError) -> ActiveModel {
        try ActiveModel(
            ModelBundle.load(
                from: self,
                version: version,
                manifestSHA256: manifestDigest(of: version)
            )
        )
    }
}
