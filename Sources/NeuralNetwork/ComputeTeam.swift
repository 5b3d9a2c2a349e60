internal import CKernels

/// Threads that share one piece of work at a time; the caller is one of them.
///
/// The threads wait for work a little while awake, so a team is for work that comes in quick
/// succession, as the steps of a training run do. The address is an integer for the reason given
/// at ``AlignedFloats``.
@safe package struct ComputeTeam: ~Copyable, Sendable {
    /// How many take part, at least 1.
    package let members: Int
    private let address: UInt

    /// The most members.
    package static let membersMax = 64

    /// Starts a team; with one member no thread is started.
    ///
    /// When the system gives no more threads, the team has one member, which gives the same
    /// results later.
    package init(members: Int) {
        let wanted = min(max(members, 1), Self.membersMax)
        let team = wanted > 1 ? unsafe leeway_team_create(wanted) : nil
        self.members = unsafe team == nil ? 1 : wanted
        address = UInt(bitPattern: team)
    }

    deinit {
        if let team = unsafe OpaquePointer(bitPattern: address) {
            unsafe leeway_team_destroy(team)
        }
    }

    /// Has every member do the work, told apart by their numbers, and waits for all.
    ///
    /// What the members do at the same time must not touch the same memory, unless all only read;
    /// ``meet()`` separates what comes before from what comes after.
    func run(_ work: (_ member: Int) -> Void) {
        guard let team = unsafe OpaquePointer(bitPattern: address) else { return work(0) }
        withoutActuallyEscaping(work) { work in
            var shared = Work(body: work)
            // Bounds: `shared` outlives the call, which returns when every member is done.
            unsafe withUnsafeMutablePointer(to: &shared) { shared in
                let call: leeway_work = { context, member in
                    unsafe context?.assumingMemoryBound(to: Work.self).pointee.body(Int(member))
                }
                unsafe leeway_team_run(team, call, shared)
            }
        }
    }

    /// Within ``run(_:)``: no member goes on before all have come here.
    func meet() {
        if let team = unsafe OpaquePointer(bitPattern: address) {
            unsafe leeway_team_meet(team)
        }
    }

    /// The part of `count` things that is a member's, as even as whole groups allow.
    func share(of count: Int, member: Int, group: Int = 1) -> Range<Int> {
        Self.share(of: count, member, of: members, group: group)
    }

    /// The same for any number of members.
    static func share(
        of count: Int,
        _ member: Int,
        of members: Int,
        group: Int = 1
    ) -> Range<Int> {
        let groups = (count + group - 1) / group
        let first = min(groups * member / members * group, count)
        let last = min(groups * (member + 1) / members * group, count)
        return first..<last
    }

    /// Outputs that a member should have at least when a layer is shared out by its outputs.
    static let outputsMin = 32

    private struct Work {
        let body: (Int) -> Void
    }
}
