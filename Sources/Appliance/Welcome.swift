internal import Features
internal import Files
internal import ModelStore
internal import Serving

/// What a newcomer sees when a model is ready: a command that works, and where to look.
actor Welcome {
    private let settings: Settings
    private let console: Console
    private var addresses: [String: String] = [:]
    private var waiting: [ActiveModel] = []

    init(_ settings: Settings, console: Console) {
        self.settings = settings
        self.console = console
    }

    /// Takes note of where a listener can be reached.
    func listening(_ listener: String, at address: String) {
        addresses[listener] = address
        guard addresses.count == Listener.allCases.count else { return }
        for model in waiting { tell(model) }
        waiting = []
    }

    /// Tells that a version is live, as soon as it can be reached.
    func live(_ model: ActiveModel) {
        if addresses.count == Listener.allCases.count {
            tell(model)
        } else {
            waiting.append(model)
        }
    }

    /// Writes an example request beside the model, and tells once how to send it.
    private func tell(_ model: ActiveModel) {
        let directory = ModelDirectory(state: settings.state, model: model.name)
        let path = "\(directory.path)/example.json"
        if told.insert(model.name).inserted {
            try? WholeFile.replace(path, ExampleRequest(model).json)
            console.write(text(model, path))
        } else {
            console.write("\(model.name): version \(model.version) is live\n")
        }
    }

    /// Models whose command was told already.
    private var told: Set<String> = []

    private func text(_ model: ActiveModel, _ path: String) -> String {
        let trust = settings.clientTrust.map { " --cacert \($0)" } ?? ""
        let query = settings.defaultModel == model.name ? "" : "?model=\(model.name)"
        let predict = url("api", settings.api)
        let metrics = url("operations", settings.operations)
        return """

            \(model.name): version \(model.version) is ready

              predict   curl\(settings.api.plaintext ? "" : trust) -d @\(path) \(predict)/predict\(query)
              metrics   curl\(settings.operations.plaintext ? "" : trust) \(metrics)/metrics
              stop      press Control-C


            """
    }

    private func url(_ name: String, _ listener: ListenerSettings) -> String {
        let address = addresses[name] ?? "\(listener.listen)"
        return "\(listener.plaintext ? "http" : "https")://\(address)"
    }
}

/// A request that the model can answer: the first row of its self-test.
struct ExampleRequest {
    private let model: ActiveModel

    init(_ model: ActiveModel) {
        self.model = model
    }

    /// The body for `POST /predict`.
    var json: [UInt8] {
        let manifest = model.bundle.manifest
        let row = model.bundle.selfTest.rows.prefix(manifest.schema.rawWidth)
        guard let table = manifest.schema.table else {
            return Array("{\"image\":[\(row.map(Self.number).joined(separator: ","))]}\n".utf8)
        }
        let members = zip(table.columns, row).map { column, value in
            let text =
                column.categories.map { Self.category($0, value) } ?? Self.number(value)
            return "\(Self.quoted(column.name)):\(text)"
        }
        return Array("{\"features\":{\(members.joined(separator: ","))}}\n".utf8)
    }

    private static func number(_ value: Float) -> String {
        if !value.isFinite { return "null" }
        return value == value.rounded() && abs(value) < 1e9 ? String(Int(value)) : "\(value)"
    }

    private static func category(_ categories: [String], _ value: Float) -> String {
        guard value.isFinite, value >= 0, Int(value) < categories.count else { return "null" }
        return quoted(categories[Int(value)])
    }

    private static func quoted(_ text: String) -> String {
        let bytes = (try? StoreJSON.encode(text)) ?? Array("\"\"".utf8)
        return String(decoding: bytes, as: UTF8.self)
    }
}
