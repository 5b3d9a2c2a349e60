import ArgumentParser

@main
struct Leeway: AsyncParsableCommand {
    func run() async throws { print("leeway") }
}
