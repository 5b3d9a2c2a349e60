import Appliance
import ArgumentParser

extension Models {
    /// Weights that were fitted elsewhere become a version, if the gate lets them.
    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Brings weights from Keras, PyTorch or NumPy, or a version of another store.",
            discussion: """
                FILE.tar, .tar.gz or .tgz is a whole version that models export --layout version \
                wrote: each file is checked against its digest, the self-test must pass, and it \
                is added under the next number. The current version stays current without \
                --promote.

                Any other FILE is a safetensors file of F32, F16, BF16 or F64 tensors:
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
        @Argument(help: "The safetensors file, or the tar file of a version.") var file: String
        @Flag(help: "Make the version of a tar file current.") var promote = false

        func run() async throws {
            do {
                if let source = try VersionSource(file) {
                    return try options.run(.importing(source, promotes: promote))
                }
            } catch let code as ExitCode {
                throw code
            } catch {
                throw Exit.failure("\(error)", code: 1)
            }
            if promote { throw Exit.usage("--promote is for the tar file of a version") }
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
            abstract: "Writes a version's weights as a safetensors file, or all of it as one.",
            discussion: """
                version: the whole version as a tar file, compressed where the name ends in .gz \
                or .tgz, for models import elsewhere.
                pytorch: layers.<i>.weight [outputs, inputs]; keras: layers.<i>.kernel \
                [inputs, outputs]; both: layers.<i>.bias [outputs], all F32. The file appears \
                whole or not at all, and import reads it back bit for bit.
                """
        )
        @OptionGroup var options: Options
        @Argument(help: "The file to write.") var file: String
        @Option(help: "The version; the current one if none is named.") var version: Int?
        @Option(help: "pytorch, keras or version.") var layout = "pytorch"
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
