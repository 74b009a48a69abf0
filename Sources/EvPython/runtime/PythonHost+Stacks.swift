// What the app's Python code does now. Law: requests are found in what the bridge keeps anyway; Python runs when a pump
// is over, and beside threads on a thread of its own, since the loop never waits for Python's lock.

public import CPythonBridge
import EvHost
import EvLoop
import EvServer
import EvSettings

extension PythonHost {
    @LoopActor func collectStacks(of exchanges: [Exchange]?, _ deliver: @escaping @LoopActor (CodeStacks) -> Void) {
        StackQuestions.ask(StackQuestion(exchanges: exchanges, deliver: deliver), beside: servesOnThreads)
    }
}

extension PythonHost {
    /// The signals of a worker that stands still write Python's stacks.
    func writeStacks(to descriptor: Int32) {
        _ = Self.ask(
            "host", "write_stacks",
            .list([StackSignal.ofLoop, StackSignal.ofAll, descriptor].map { .integer(Int($0)) }))
        // The hook has a handler of its own, which the watchdog is to reach.
        StackSignal.takeOver(takesBackAbort: !hooks.contains("worker_abort"))
    }
}

/// One question, from whoever asks to whom it is answered.
private struct StackQuestion {
    let exchanges: [Exchange]?
    let deliver: @LoopActor (CodeStacks) -> Void
    /// The requests whose code was running when Python was asked. They are held, so that no other gets their numbers.
    var running: [Int: Exchange] = [:]
}

@LoopActor
private enum StackQuestions {
    private static var waiting: [StackQuestion] = []
    private static var asked: [Int: StackQuestion] = [:]
    private static var nextNumber = 1
    /// Python is asked on another thread, which may never get its lock: one such thread is enough.
    private static var isAside = false

    static func ask(_ question: StackQuestion, beside threads: Bool) {
        if threads {
            waiting.append(question)
            if !isAside { askAside() }
        } else if LoopExecutor.shared.boundLoop?.isGuest == true {
            waiting.append(question)
            evg_py_want_stacks()
            guestWake()
        } else {
            ask(question)
        }
    }

    static func due() {
        let questions = waiting
        waiting = []
        for question in questions { ask(question) }
        // What was sent outside of a pump waits for the next.
        guestWake()
    }

    private static func ask(_ question: StackQuestion) {
        let (number, argument) = keep(question)
        lend(argument) { evg_py_stacks(number, $0) }
    }

    private static func askAside() {
        guard !waiting.isEmpty else { return }
        let (number, argument) = keep(waiting.removeFirst())
        isAside = true
        lend(argument) { evg_py_stacks_aside(number, $0) }
    }

    /// Isolated to nothing, because Python may run in it.
    private nonisolated static func lend(_ bytes: [UInt8], _ body: (evg_py_text) -> Void) {
        bytes.withUnsafeBytes { body(evg_py_text($0)) }
    }

    private static func keep(_ question: StackQuestion) -> (Int, [UInt8]) {
        let number = nextNumber
        nextNumber += 1
        asked[number] = question
        asked[number]?.running = running()
        let wanted = question.exchanges.map { SettingValue.list($0.map { .integer($0.identity) }) }
        return (number, SettingCoding.encode(wanted ?? .none))
    }

    /// Of whichever class this worker is: the others have none.
    private static func running() -> [Int: Exchange] {
        var found: [Exchange] = []
        withUnsafeMutablePointer(to: &found) { list in
            let visit: @convention(c) (UnsafeMutableRawPointer?, OpaquePointer?) -> Void = { context, exchange in
                guard let exchange else { return }
                context?.assumingMemoryBound(to: [Exchange].self).pointee.append(Exchange.borrowed(exchange))
            }
            evg_gevent_visit(visit, list)
            evg_asgi_visit(visit, list)
            evg_py_threads_visit(visit, list)
        }
        return Dictionary(found.map { ($0.identity, $0) }) { first, _ in first }
    }

    static func taken(_ number: Int, _ answer: [UInt8]) {
        guard var question = asked.removeValue(forKey: number) else { return }
        if isAside {
            isAside = false
            // A thread may have begun another request between the question and its answer.
            question.running.merge(running()) { first, _ in first }
            askAside()
        }
        question.deliver(answer.withUnsafeBytes { CodeStacks(SettingCoding.decode($0), question.running) })
    }
}

extension CodeStacks {
    @LoopActor fileprivate init(_ value: SettingValue?, _ running: [Int: Exchange]) {
        let parts = value?.items ?? []
        self.init()
        guard parts.count == 2 else { return }
        leftOut = parts[0].integer ?? 0
        stacks = parts[1].items.compactMap { item in
            let parts = item.items
            guard parts.count == 4, let kind = parts[0].text.flatMap({ CodeStack.Kind(rawValue: $0) }) else {
                return nil
            }
            let exchange = parts[2].integer.flatMap { running[$0] }
            return CodeStack(
                kind: kind, name: parts[1].text ?? "", request: exchange.map { RequestSummary($0, runs: true) },
                exchange: exchange?.identity, frames: parts[3].items.compactMap(\.text))
        }
    }
}

/// A pump is over in which somebody has asked.
@_cdecl("evg_swift_stacks_due")
public func stacksDue() { LoopActor.assumeIsolated { StackQuestions.due() } }

/// On the thread of the question, which is the loop's or one of its own.
@_cdecl("evg_swift_stacks_taken")
public func stacksTaken(_ number: Int, _ answer: evg_py_text) {
    let bytes = Array(UnsafeRawBufferPointer(answer))
    LoopExecutor.shared.submit { LoopActor.assumeIsolated { StackQuestions.taken(number, bytes) } }
}
