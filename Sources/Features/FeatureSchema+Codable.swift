/// The stored form: `kind` is `image` or `table`, and the layout's members stand beside it.
extension FeatureSchema: Codable {
    private enum Key: String, CodingKey { case kind, strict }
    private enum Kind: String, Codable { case image, table }

    /// Reads a stored schema and checks it.
    ///
    /// - Throws: `DecodingError.dataCorrupted` with the ``FeatureError`` beneath for a schema that
    ///   contradicts itself.
    package init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: Key.self)
        let strict = try members.decodeIfPresent(Bool.self, forKey: .strict) ?? false
        let layout: Layout
        switch try members.decode(Kind.self, forKey: .kind) {
        case .image: layout = .image(try ImageLayout(from: decoder))
        case .table: layout = .table(try TableLayout(from: decoder))
        }
        do throws(FeatureError) {
            try self.init(layout, strict: strict)
        } catch {
            throw DecodingError.dataCorrupted(
                DecodingError.Context(
                    codingPath: decoder.codingPath,
                    debugDescription: error.description,
                    underlyingError: error
                )
            )
        }
    }

    /// Writes the schema.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: Key.self)
        try members.encode(strict, forKey: .strict)
        switch layout {
        case .image(let image):
            try members.encode(Kind.image, forKey: .kind)
            try image.encode(to: encoder)
        case .table(let table):
            try members.encode(Kind.table, forKey: .kind)
            try table.encode(to: encoder)
        }
    }
}
