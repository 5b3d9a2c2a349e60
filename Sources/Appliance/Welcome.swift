internal import Features
internal import Files
internal import ModelStore

/// What a newcomer sees when a model is ready: a command that works, and where to look.
struct Welcome: Sendable {
    private let settings: Settings
    private let console: Console

    init(_ settings: Settings, console: Console) {
        self.settings = settings
        self.console = console
    }

    /// Writes an example request beside the model, and tells how to send it.
    func tell(_ model: ActiveModel) {
        let directory = ModelDirectory(state: settings.state, model: model.name)
        let path = "\(directory.path)/example.json"
        guard !Folder.exists(path) else {
            console.write("\(model.name): version \(model.version) is live\n")
            return
        }
        try? WholeFile.replace(path, ExampleRequest(model).json)
        console.write(text(model, path))
    }

    private func text(_ model: ActiveModel, _ path: String) -> String {
        let scheme = settings.api.plaintext ? "http" : "https"
        let trust = settings.api.plaintext ? nil : settings.clientTrust
        let authority = trust.map { " --cacert \($0)" } ?? ""
        let query = settings.defaultModel == model.name ? "" : "?model=\(model.name)"
        let operations = settings.operations.plaintext ? "http" : "https"
        return """

            \(model.name): version \(model.version) is ready

              predict   curl\(authority) -d @\(path) \(scheme)://\(settings.api.listen)/predict\(query)
              metrics   curl\(authority) \(operations)://\(settings.operations.listen)/metrics
              stop      press Control-C


            """
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
