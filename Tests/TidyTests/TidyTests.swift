import Testing

/// The rules of the house that neither the compiler nor swift-format knows.
@Suite("Tidy") struct TidyTests {
    let tree: SourceTree

    init() throws {
        tree = try SourceTree.load()
        try #require(tree.sources.count > 50)
    }

    @Test("no file is longer than 400 lines")
    func fileLength() {
        for file in tree.swift where file.path.hasPrefix("Sources/") {
            #expect(file.lines.count <= 401, "\(file.path) has \(file.lines.count) lines")
        }
    }

    @Test("no function is longer than 50 lines")
    func functionLength() {
        for file in tree.sources {
            for function in Functions.of(file) {
                #expect(
                    function.lines <= 50,
                    "\(file.path):\(function.line): \(function.lines) lines"
                )
            }
        }
    }

    @Test("every package declaration has a doc comment")
    func docComments() {
        for file in tree.sources {
            for (number, line) in file.code where Self.isPackageDeclaration(line) {
                #expect(Self.hasDocComment(file, above: number), "\(file.path):\(number)")
            }
        }
    }

    private static func isPackageDeclaration(_ line: String) -> Bool {
        let words = line.split(separator: " ").map(String.init)
        guard let index = words.firstIndex(where: { $0.hasPrefix("package") }) else { return false }
        guard words[index] == "package", words.count > index + 1 else { return false }
        return words[index + 1] != "import"
            && words[..<index].allSatisfy { $0.hasPrefix("@") || $0 == "nonisolated" }
    }

    private static func hasDocComment(_ file: SourceFile, above number: Int) -> Bool {
        var index = number - 2
        while index >= 0 {
            let line = file.lines[index].drop { $0 == " " }
            if line.hasPrefix("///") { return true }
            guard line.hasPrefix("@") || line.hasPrefix(")") else { return false }
            index -= 1
        }
        return false
    }

    @Test("what is banned is not used", arguments: BanList.entries)
    func banList(entry: BanList.Entry) {
        for file in tree.sources where !entry.allowed.contains(where: file.path.hasPrefix) {
            for (number, line) in file.code where line.contains(entry.word) {
                Issue.record("\(file.path):\(number): \(entry.word): \(entry.instead)")
            }
        }
    }

    @Test("unsafe code stays where its bounds are stated")
    func unsafePlaces() {
        for file in tree.sources where !UnsafePlaces.allowed.contains(where: file.path.hasPrefix) {
            for (number, line) in file.code {
                let words = line.split { !$0.isLetter && $0 != "_" && $0 != "@" }
                #expect(!words.contains("unsafe"), "\(file.path):\(number): unsafe code")
            }
        }
    }

    @Test("a part imports what the design allows, and nothing else")
    func imports() {
        for file in tree.sources {
            for (number, line) in file.code {
                let words = line.split(separator: " ")
                guard let index = words.firstIndex(of: "import"), index <= 1,
                    words.count > index + 1
                else { continue }
                let module = String(words[words.count - 1].prefix { $0 != "." })
                let allowed = Layers.allowed(file.target)
                #expect(allowed.contains(module), "\(file.path):\(number): imports \(module)")
            }
        }
    }

    @Test("the top level holds what it should, and no more")
    func topLevel() throws {
        let expected: Set = [
            "Package.swift", "Sources", "Tests", "dashboards", "config", "README.md", "Makefile",
            "CHANGELOG.md", "LICENSE", "Package.resolved",
        ]
        let found = try tree.files(below: ".").map { $0.dropFirst(2).prefix { $0 != "/" } }
        for name in Set(found) where !name.hasPrefix(".") {
            #expect(expected.contains(String(name)), "\(name) at the top level")
        }
    }
}
