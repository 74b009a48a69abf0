import JSONText
import Testing

@testable import EvAdmin

/// `/status` of a server with so many workers, the numbers of which grow with the time.
private func status(_ count: Int, at time: Double = 1000, pids: Int = 100, more: String = "") -> ServerStatus {
    let workers = (0..<count).map { index in
        """
        {"worker":\(index),"pid":\(pids + index),"state":"ready","stuck":\(index == 1),"uptime":60,"silence":1,
         "connections":\(index),"connections_limit":1000,"in_flight":0,"requests":\(Int(time) * (index + 1)),
         "rss":\((count - index) * 1_048_576),"cpu":\(time / 2),"slowest":[
         {"id":1,"peer":"unix","state":"app","since":\(index).5,"method":"GET","target":"/日本/\(index)\\u001b[2J"}]}
        """
    }
    let text =
        #"{"version":"1","application":"a:b","time":\#(time),"started":10,"target_workers":\#(count),"binds":["x"],"#
        + #""restarts":[{"time":5,"worker":0,"pid":3,"cause":"timeout","text":"t"}],"#
        + #"\#(more)"workers":[\#(workers.joined(separator: ","))]}"#
    return ServerStatus(JSONValue(Array(text.utf8)) ?? .null)
}

private func model(_ count: Int, keys: [Key] = []) -> WatchModel {
    var model = WatchModel()
    model.take(status(count))
    for key in keys { _ = model.press(key, page: 24) }
    return model
}

private func lines(_ model: WatchModel, _ columns: Int = 80, _ rows: Int = 24) -> [String] {
    WatchScreen(model: model, columns: columns, rows: rows).lines.map(\.text)
}

@Suite struct WatchScreenTests {
    @Test func fillsEverySizeExactly() {
        var views = [
            WatchModel(), model(0), model(1), model(3), model(40, keys: [.end]), model(3, keys: [.letter("?")]),
        ]
        for key in ["c", "s"] as [Unicode.Scalar] { views.append(model(3, keys: [.letter(key)])) }
        var connections = model(3, keys: [.letter("c")])
        connections.take([WorkerConnections(connectionsOfOne)])
        var failed = model(2)
        failed.notice = "gone 日本"
        for model in views + [connections, failed] {
            for (columns, rows) in [(80, 24), (20, 5), (200, 60), (1, 1), (2, 2), (10, 3), (80, 4), (3, 40), (0, 0)] {
                let lines = WatchScreen(model: model, columns: columns, rows: rows).lines
                #expect(lines.count == (columns == 0 ? 0 : rows))
                #expect(lines.allSatisfy { $0.width <= columns }, "\(columns)x\(rows)")
            }
        }
    }

    private let connectionsOfOne =
        JSONValue(
            Array(
                (#"{"worker":1,"pid":101,"total":3,"connections":["#
                    + (0..<3).map { #"{"peer":"h:\#($0)","state":"app"}"# }.joined(separator: ",") + "]}").utf8))
        ?? .null

    @Test func showsWorkersRequestsAndRestarts() {
        let text = lines(model(2))
        #expect(text[0].hasPrefix("evgateway 1  a:b  up 16 min 30 s"))
        #expect(text.contains { $0.hasPrefix("1 of 2 workers ready, 1 connection, 0 in flight, 3000 requests") })
        #expect(text.contains { $0.contains("stuck 1.0s") })
        #expect(text.contains("Longest requests") && text.contains("Last restarts"))
        #expect(text.contains { $0.contains("/日本/1\\x1b[2J") })
        #expect(text.last?.hasPrefix("q leave") == true)
    }

    @Test func pickedWorkerIsAlwaysSeen() {
        for row in 0..<40 {
            let model = model(40, keys: Array(repeating: .down, count: row))
            for rows in [5, 8, 24] {
                let screen = WatchScreen(model: model, columns: 80, rows: rows)
                let picked = screen.lines.filter { $0.parts.first?.style == .reversed }
                #expect(picked.count == 1 && picked[0].text.contains(" \(100 + row) "), "row \(row) of \(rows)")
            }
        }
    }

    @Test func failureIsTold() {
        var model = model(1)
        model.notice = "cannot connect"
        #expect(lines(model).last == "trying again: cannot connect")
    }

    @Test func fullLinesKeepTheirLastCharacter() {
        let bytes = WatchScreen.bytes([Line("abc"), Line("ab", .bad)], columns: 3, .colours)
        #expect(String(decoding: bytes, as: UTF8.self) == "\u{1b}[Habc\r\n\u{1b}[31mab\u{1b}[0m\u{1b}[K")
        let plain = WatchScreen.bytes([Line("ab", .bad), Line("c", .bold)], columns: 3, .attributes)
        #expect(String(decoding: plain, as: UTF8.self) == "\u{1b}[Hab\u{1b}[K\r\n\u{1b}[1mc\u{1b}[0m\u{1b}[K")
    }
}

@Suite struct WatchModelTests {
    private func pids(_ model: WatchModel) -> [Int?] { model.sortedWorkers.map(\.pid) }

    @Test func sortsByThePickedColumn() {
        #expect(pids(model(3)) == [100, 101, 102])
        #expect(pids(model(3, keys: [.letter("r")])) == [102, 101, 100])
        // State: the stuck one first.
        #expect(pids(model(3, keys: [.right, .right])) == [101, 100, 102])
        // Processor time is unknown yet, memory is the column before it, the largest first.
        #expect(pids(model(3, keys: [.left, .left])) == [100, 101, 102])
        #expect(pids(model(3, keys: [.left, .letter("<"), .letter("r")])) == [102, 101, 100])
        #expect(model(3, keys: Array(repeating: .right, count: 10)).column == .worker)
    }

    @Test func picksWithinTheTable() {
        #expect(model(3).picked == 100)
        #expect(model(3, keys: [.up]).picked == 100)
        #expect(model(3, keys: [.down, .letter("j"), .down, .down]).picked == 102)
        #expect(model(3, keys: [.end, .letter("k")]).picked == 101)
        #expect(model(0, keys: [.down, .up, .end]).picked == nil)
    }

    @Test func pickedWorkerThatEndsLeavesItsPlace() {
        var model = model(3, keys: [.down])
        model.take(status(3, pids: 200))
        #expect(model.picked == 201)
        model.take(status(1, pids: 300))
        #expect(model.picked == 300)
        model.take(status(0))
        #expect(model.picked == nil)
    }

    @Test func countsByTheSecond() {
        var model = model(2)
        #expect(model.rates.total == nil)
        model.take(status(2, at: 1002))
        #expect(model.rates.requests(of: model.sortedWorkers[1]) == 2)
        #expect(model.rates.load(of: model.sortedWorkers[0]) == 0.5)
        #expect(model.rates.total == 3)
        // Too soon to be measured, then a clock that went back.
        model.take(status(2, at: 1002.1))
        #expect(model.rates.total == 3)
        model.take(status(2, at: 900))
        model.take(status(2, at: 901))
        #expect(model.rates.total == 3)
    }

    @Test func opensAndClosesDetails() {
        var model = model(3, keys: [.down])
        #expect(model.press(.letter("c"), page: 24) == .ask)
        #expect(model.targets == ["/status", "/connections?worker=1"])
        #expect(model.press(.letter("s"), page: 24) == .ask)
        #expect(model.targets == ["/status", "/stacks?worker=1"])
        // A stuck worker is interrupted once, and not each second.
        model.take([WorkerStacks(.null)])
        #expect(model.targets == ["/status"])
        #expect(model.press(.escape, page: 24) == .nothing && model.view == .workers)
        #expect(model.press(.escape, page: 24) == .leave)
        #expect(model.press(.control("C"), page: 24) == .leave)
    }

    @Test func thereIsNothingToOpenWithoutWorkers() {
        var model = model(0)
        #expect(model.press(.letter("c"), page: 24) == .nothing && model.view == .workers)
    }
}

@Suite struct KeyReaderTests {
    @Test(
        arguments: [
            ("jq", [.letter("j"), .letter("q")]), ("\u{1b}[A\u{1b}[B\u{1b}OC\u{1b}[D", [.up, .down, .right, .left]),
            ("\u{1b}[5~\u{1b}[6~\u{1b}[H\u{1b}[F\u{1b}[1~", [.pageUp, .pageDown, .home, .end, .home]),
            ("\r\n\u{3}\u{1a}", [.enter, .enter, .control("C"), .control("Z")]), ("é\u{7f}", []),
            ("\u{1b}xq", [.letter("q")]),
            ("\u{1b}[1;5Aq", [.up, .letter("q")]), ("\u{1b}[99~q", [.letter("q")]),
        ] as [(String, [Key])])
    func reads(_ text: String, _ keys: [Key]) {
        var whole = KeyReader()
        #expect(whole.feed(text.utf8) == keys)
        var reader = KeyReader()
        #expect(text.utf8.flatMap { reader.feed([$0]) } == keys)
        #expect(!reader.isUndecided)
    }

    @Test func escapeAloneIsAKeyWhenNothingFollows() {
        var reader = KeyReader()
        #expect(reader.feed([0x1b]) == [] && reader.isUndecided)
        #expect(reader.settle() == [.escape] && !reader.isUndecided)
        #expect(reader.feed([0x1b, 0x1b]) == [.escape] && reader.isUndecided)
    }

    @Test func endlessSequenceEnds() {
        var reader = KeyReader()
        #expect(reader.feed([0x1b, 0x5b] + Array(repeating: 0x30, count: 100)) == [])
        #expect(!reader.isUndecided)
    }
}
