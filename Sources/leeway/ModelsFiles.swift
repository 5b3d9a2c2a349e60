import Appliance
import ArgumentParser

extension Models {
    /// Weights that were fitted elsewhere become a version, if the gate lets them.
    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Publishes weights from Keras, PyTorch or NumPy as a new version.",
            discussion: """
                FILE is a safetensors file of F32, F16, BF16 or F64 tensors:
                  <layer>.weight [outputs, inputs], as PyTorch's nn.Linear has it,
                  <layer>.kernel [inputs, outputs], as Keras' Dense and NumPy have it,
                  <layer>.bias [outputs]; zeros when it is missing.
                Layers are taken in the order of their names, numbers by their value. The hidden \
                widths must be those of network.hidden; activation and head are the \
                configuration's. Nothing is trained; the rest is a retrain: the data is fetched, \
                the weights are scored on the hold-out and stand up to the current version.

                Exit code 0: published. 1: failed, the file among it. 2: usage or configuration. \
                3: the weights were refused by the gate. 4: a retrain holds the lock.
                """
        )
        @OptionGroup var options: Options
        @Argument(help: "The safetensors file.") var file: String

        func run() async throws {
            let job = RetrainJob(
                settings: try options.configuration.settings(),
                model: options.model,
                work: .importing(file),
                output: options.json ? .json : .text
            )
            let (report, code) = await job.run()
            if let report { print(report) }
            try Exit.with(code)
        }
    }

    /// The weights of a version as a file for others.
    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Writes a version's weights as a safetensors file.",
            discussion: """
                pytorch: layers.<i>.weight [outputs, inputs]; keras: layers.<i>.kernel \
                [inputs, outputs]; both: layers.<i>.bias [outputs], all F32. The file appears \
                whole or not at all, and import reads it back bit for bit.
                """
        )
        @OptionGroup var options: Options
        @Argument(help: "The file to write.") var file: String
        @Option(help: "The version; the current one if none is named.") var version: Int?
        @Option(help: "pytorch or keras.") var layout = "pytorch"
        @Flag(help: "Replace a file that is there.") var overwrite = false

        func run() async throws {
            do {
                let target = try ExportTarget(path: file, layout: layout, overwrites: overwrite)
                try options.run(.export(version, to: target))
            } catch let error as JobError {
                throw Exit.usage("\(error)")
            }
        }
    }
}
