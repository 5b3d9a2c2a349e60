/// Turns the text of a field into its raw value: the one place where requests and data files meet.
package struct TableCodec: Sendable {
    /// The table that is read.
    package let layout: TableLayout
    private let columnNames: NameTable
    private let categories: [NameTable]
    private let markers: NameTable

    /// What a field's text came to.
    package enum Field: Sendable, Equatable {
        /// A raw value; NaN says that it is missing.
        case raw(Float)
        /// A numeric column's text that is no number.
        case notANumber
        /// A number too large for the engine's type.
        case overflow
    }

    /// Prepares the look-ups of a table.
    package init(_ layout: TableLayout) {
        self.layout = layout
        columnNames = NameTable(layout.columns.map(\.name))
        categories = layout.columns.map { NameTable($0.categories ?? []) }
        markers = NameTable(layout.missingMarkers)
    }

    /// The index of a column.
    ///
    /// - Parameters:
    ///   - name: Its name in UTF-8.
    ///   - guess: The column that is likely meant, which is looked at first.
    /// - Returns: The index, or `nil` when the schema has no such column.
    package func column(named name: Span<UInt8>, guess: Int = 0) -> Int? {
        if guess < columnNames.names.count, columnNames.isName(guess, name) { return guess }
        return columnNames.find(name)
    }

    /// Whether a text says that there is no value.
    package func isMissing(_ text: Span<UInt8>) -> Bool {
        text.isEmpty || markers.find(text) != nil
    }

    /// The raw value of a category.
    ///
    /// It is the category's index, NaN where it is missing, and the number of categories where it
    /// is unseen. A declared category wins over a missing marker of the same name.
    package func category(_ text: Span<UInt8>, column: Int) -> Float {
        if let index = categories[column].find(text) { return Float(index) }
        return isMissing(text) ? .nan : layout.columns[column].unseenCode
    }

    /// The raw value of a field of a data file.
    package func field(_ text: Span<UInt8>, column: Int) -> Field {
        if layout.columns[column].type == .categorical {
            return .raw(category(text, column: column))
        }
        if isMissing(text) { return .raw(.nan) }
        guard let value = NumberText.float(text) else { return .notANumber }
        return value.isFinite ? .raw(value) : .overflow
    }
}

/// Numbers as data files write them.
///
/// They are like JSON's, but a plus sign, leading zeros, and a point without digits on one side are
/// fine. Infinity and NaN have no spelling.
enum NumberText {
    /// The nearest binary32, infinite beyond the largest one, or `nil` when it is no number.
    static func float(_ text: Span<UInt8>) -> Float? {
        guard text.count <= JSONReader.numberBytesMax else { return nil }
        var number = DecimalNumber()
        var position = 0
        if let sign = text.byte(0), sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
            number.isNegative = sign == UInt8(ascii: "-")
            position = 1
        }
        var digits = readDigits(text, &position, &number, scale: 0)
        if text.byte(position) == UInt8(ascii: ".") {
            position += 1
            digits += readDigits(text, &position, &number, scale: 1)
        }
        guard digits > 0 else { return nil }
        if let byte = text.byte(position), byte | 0x20 == UInt8(ascii: "e") {
            guard readExponent(text, &position, &number) else { return nil }
        }
        return position == text.count ? number.float(text) : nil
    }

    private static func readDigits(
        _ text: Span<UInt8>,
        _ position: inout Int,
        _ number: inout DecimalNumber,
        scale: Int
    ) -> Int {
        let start = position
        while let byte = text.byte(position), byte &- UInt8(ascii: "0") <= 9 {
            number.append(byte &- UInt8(ascii: "0"), scale: scale)
            position += 1
        }
        return position - start
    }

    private static func readExponent(
        _ text: Span<UInt8>,
        _ position: inout Int,
        _ number: inout DecimalNumber
    ) -> Bool {
        position += 1
        var isNegative = false
        if let sign = text.byte(position), sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
            isNegative = sign == UInt8(ascii: "-")
            position += 1
        }
        let start = position
        var exponent = 0
        while let byte = text.byte(position), byte &- UInt8(ascii: "0") <= 9 {
            if exponent < 1_000_000 { exponent = exponent * 10 + Int(byte &- UInt8(ascii: "0")) }
            position += 1
        }
        number.exponent += isNegative ? -exponent : exponent
        return position > start
    }
}

extension Span where Element == UInt8 {
    /// The byte at an index, or `nil` beyond the end.
    @inline(__always)
    func byte(_ index: Int) -> UInt8? { index < count ? self[index] : nil }
}
