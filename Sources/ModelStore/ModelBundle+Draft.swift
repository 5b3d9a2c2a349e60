internal import Digest
package import Drift
package import Features
package import FoundationEssentials
package import NeuralNetwork

extension ModelBundle {
    /// A version that is not written yet: all of it but its number and its files' digests.
    package struct Draft: Sendable {
        /// The model's name.
        package var model: String
        /// When it was made.
        package var created: Date
        /// What its outputs mean.
        package var task: ModelTask
        /// Class labels in the order of the class index.
        package var labels: [String]
        /// What a valid input is.
        package var schema: FeatureSchema
        /// Where its rows came from.
        package var data: Manifest.Provenance
        /// How it was fitted, and how it scored.
        package var training: Manifest.TrainingSummary
        /// How well its probabilities agree with the truth; the network has its temperature.
        package var calibration: Manifest.Calibration?
        /// The weights.
        package var network: MultilayerPerceptron
        /// What live inputs are compared with.
        package var reference: ReferenceProfile
        /// Rows with known answers.
        package var selfTest: SelfTest
        /// The report for people, as JSON.
        package var report: [UInt8]
        /// The same as a page; nil for none.
        package var page: [UInt8]?

        /// Takes all parts of a version.
        package init(
            model: String,
            created: Date,
            task: ModelTask,
            labels: [String],
            schema: FeatureSchema,
            data: Manifest.Provenance,
            training: Manifest.TrainingSummary,
            calibration: Manifest.Calibration? = nil,
            network: MultilayerPerceptron,
            reference: ReferenceProfile,
            selfTest: SelfTest,
            report: [UInt8],
            page: [UInt8]? = nil
        ) {
            self.model = model
            self.created = created
            self.task = task
            self.labels = labels
            self.schema = schema
            self.data = data
            self.training = training
            self.calibration = calibration
            self.network = network
            self.reference = reference
            self.selfTest = selfTest
            self.report = report
            self.page = page
        }

        /// The bytes of each of the version's files, the manifest among them.
        func files(version: Int) throws(StoreError) -> [String: [UInt8]] {
            do {
                var files = [
                    ModelBundle.networkName: try network.encoded(),
                    ModelBundle.referenceName: try StoreJSON.encode(reference),
                    ModelBundle.selfTestName: try selfTest.encoded(),
                    ModelBundle.reportName: report,
                ]
                files[ModelBundle.pageName] = page
                let manifest = Manifest(
                    format: Manifest.currentFormat,
                    model: model,
                    version: version,
                    created: created,
                    task: task,
                    labels: labels,
                    schema: schema,
                    data: data,
                    training: training,
                    calibration: calibration,
                    files: try files.mapValues { bytes in
                        Manifest.FileFacts(
                            bytes: bytes.count,
                            sha256: try SHA256Digest.of(bytes).hex
                        )
                    }
                )
                files[ModelBundle.manifestName] = try StoreJSON.encode(manifest, pretty: true)
                return files
            } catch {
                throw .malformed(path: "version \(version)", reason: "\(error)")
            }
        }
    }
}
