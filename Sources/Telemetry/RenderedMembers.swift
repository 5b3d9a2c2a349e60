/// Members of a JSON object, written out once to be used in many lines.
package struct RenderedMembers: Sendable {
    /// The members with the commas between them; empty for none.
    let bytes: [UInt8]

    /// Writes them out.
    ///
    /// - Parameter write: Adds members to the line that it is given, and closes what it opens.
    package init(_ write: (inout JSONLine) -> Void) {
        var line = JSONLine()
        self.init(using: &line, write)
    }

    /// Writes them out in the memory of a line, which is begun anew.
    ///
    /// - Parameters:
    ///   - line: Is begun anew, before and after.
    ///   - write: Adds members to the line that it is given, and closes what it opens.
    package init(using line: inout JSONLine, _ write: (inout JSONLine) -> Void) {
        line.reset()
        write(&line)
        // Without the brace that begins the line.
        var bytes: [UInt8] = []
        bytes.append(line.span.extracting(droppingFirst: 1))
        self.bytes = bytes
        line.reset()
    }
}
