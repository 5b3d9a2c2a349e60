import Files

/// The checkout that these tests were built from, read as text.
struct SourceTree {
    /// The checkout's top folder.
    let root: String
    /// Each Swift file below `Sources` and `Tests`, by its path from the top.
    let swift: [SourceFile]

    /// Finds the checkout by walking up from this very file.
    static func load() throws -> SourceTree {
        var root = Folder.parent(of: #filePath)
        while !Folder.exists("\(root)/Package.swift"), root != "/" {
            root = Folder.parent(of: root)
        }
        let paths = try files(below: root, "Sources") + files(below: root, "Tests")
        let swift = try paths.filter { $0.hasSuffix(".swift") }.map { path in
            SourceFile(path: path, text: try text(root, path))
        }
        return SourceTree(root: root, swift: swift)
    }

    /// The files of the parts, without the tests.
    var sources: [SourceFile] { swift.filter { $0.path.hasPrefix("Sources/") } }

    /// The text of a file below the top folder.
    func text(_ path: String) throws -> String { try Self.text(root, path) }

    /// The paths of all files below a folder of the checkout.
    func files(below folder: String) throws -> [String] {
        try Self.files(below: root, folder)
    }

    private static func text(_ root: String, _ path: String) throws -> String {
        String(decoding: try WholeFile.read("\(root)/\(path)", bytesMax: 4 << 20), as: UTF8.self)
    }

    private static func files(below root: String, _ folder: String) throws -> [String] {
        try Folder.list("\(root)/\(folder)").flatMap { name in
            let path = "\(folder)/\(name)"
            return Folder.isFolder("\(root)/\(path)") ? try files(below: root, path) : [path]
        }
    }
}

/// One Swift file and its lines.
struct SourceFile {
    let path: String
    let lines: [Substring]

    init(path: String, text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// The target that the file belongs to: the second part of its path.
    var target: String {
        path.split(separator: "/").dropFirst().first.map(String.init) ?? ""
    }

    /// The lines with their numbers, comments and the inside of text literals blanked out.
    var code: [(number: Int, line: String)] {
        var inText = false
        return lines.enumerated().map { index, line in
            if line.contains("\"\"\"") {
                inText.toggle()
                return (index + 1, "")
            }
            return (index + 1, inText ? "" : Self.withoutCommentsAndTexts(line))
        }
    }

    private static func withoutCommentsAndTexts(_ line: Substring) -> String {
        var result = ""
        var inText = false
        var previous: Character = " "
        for character in line {
            if character == "\"" && previous != "\\" {
                inText.toggle()
            } else if !inText && character == "/" && previous == "/" {
                result.removeLast()
                return result
            } else if !inText {
                result.append(character)
            }
            previous = character
        }
        return result
    }
}
