import Control
import Operator
import Testing

private let plain = Style(isColoured: false)

@Suite struct ShowTests {
    @Test(arguments: [
        ("plain 123 é 日本 🐦", "plain 123 é 日本 🐦"),
        ("a\nb\rc\td", "a\\nb\\rc\\td"),
        ("\u{1b}[31mred", "\\u{1b}[31mred"),
        ("back\\slash", "back\\\\slash"),
        ("\u{0}\u{7f}\u{9b}", "\\u{0}\\u{7f}\\u{9b}"),
        ("right\u{202e}to left\u{2066}", "right\\u{202e}to left\\u{2066}"),
        ("zero\u{200b}width\u{feff}\u{2028}", "zero\\u{200b}width\\u{feff}\\u{2028}"),
        ("", ""),
    ])
    func escaping(text: String, shown: String) {
        #expect(escaped(text) == shown)
    }

    @Test func columnsAreAligned() {
        var table = Table(("NAME", .left), ("COUNT", .right), ("NOTE", .left))
        table.add("a", "1", "")
        table.add("日本\u{1b}", "12345678", "x")
        #expect(
            table.text(plain) == """
                NAME           COUNT  NOTE
                a                  1
                日本\\u{1b}  12345678  x

                """)
    }

    @Test func aTableWithoutRowsIsItsHeading() {
        #expect(Table(("NAME", .left), ("COUNT", .right)).text(plain) == "NAME  COUNT\n")
    }

    @Test func emphasisOnTerminalsOnly() {
        #expect(Style(isTerminal: true, environment: [:]).isColoured)
        #expect(Style(isTerminal: true, environment: ["NO_COLOR": "", "TERM": "xterm"]).isColoured)
        #expect(!Style(isTerminal: true, environment: ["NO_COLOR": "1"]).isColoured)
        #expect(!Style(isTerminal: true, environment: ["TERM": "dumb"]).isColoured)
        #expect(!Style(isTerminal: false, environment: [:]).isColoured)
        #expect(plain.bold("x") == "x")
        #expect(Style(isColoured: true).bold("x") == "\u{1b}[1mx\u{1b}[0m")
    }

    @Test(arguments: [
        (0, "0 s"), (0.9, "0 s"), (59.9, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (3605, "1 h"),
        (3661, "1 h 1 min"), (90_000, "1 d 1 h"), (86_400 * 400, "400 d"), (-1, "?"), (.infinity, "?"), (.nan, "?"),
    ])
    func spans(seconds: Double, shown: String) {
        #expect(span(seconds: seconds) == shown)
    }

    @Test func numbers() {
        #expect(
            [0, 10, 0.05, 1.5, 2.125, -0.5, -3.25].map { number($0) } == [
                "0", "10", "0.05", "1.5", "2.125", "-0.5", "-3.25",
            ])
        #expect(number(12.345, decimals: 1) == "12.3")
        #expect(number(0.05, decimals: 2) == "0.05")
        #expect(number(0.96, decimals: 1) == "1.0")
        #expect(number(7, decimals: 0) == "7")
        #expect(number(-0.001, decimals: 2) == "0.00")
        #expect(
            [0, 999, 1000, 1_234_567, .max].map(grouped) == [
                "0", "999", "1,000", "1,234,567", "18,446,744,073,709,551,615",
            ])
    }

    @Test func statusForPeople() {
        var report = StatusReport(
            version: "0.2.0", pid: 100, uptime: 3700, state: "ready", layout: 5, newestLayout: 5, connections: 1,
            workers: [
                WorkerReport(
                    role: "router", name: "router", pid: 101, generation: 1, state: "ready", version: "0.1.0",
                    isOutdated: true, uptime: 3700, restarts: 0, connections: 0),
                WorkerReport(
                    role: "listener", name: "mqtt", pid: 0, generation: 3, state: "waiting", version: nil,
                    isOutdated: false, uptime: 0, restarts: 2, connections: 1),
            ],
            listeners: [
                ListenerReport(
                    name: "mqtt", protocol: "mqtt", bind: "[::]:1883", address: "::", port: 1883, connections: 1,
                    workers: 1)
            ],
            counters: ["b_bytes": 1_234_567, "a_messages": 2, "nothing": 0])
        #expect(
            describe(report, counters: true, plain) == """
                Apus 0.2.0 is ready: up 1 h 1 min, 1 connection, process 100

                WORKER         PID  GENERATION  STATE    VERSION                     UP         RESTARTS  CONNECTIONS
                router         101           1  ready    0.1.0 (older than on disk)  1 h 1 min         0            0
                listener mqtt    -           3  waiting  -                           -                 2            1

                LISTENER  PROTOCOL  ADDRESS    CONNECTIONS  WORKERS
                mqtt      mqtt      [::]:1883            1        1

                COUNTER         VALUE
                a_messages          2
                b_bytes     1,234,567

                """)
        #expect(!describe(report, counters: false, plain).contains("COUNTER"))
        #expect(describeUpgrade(report) == "every process is of Apus 0.2.0, in layout 5\n")
        report.layout = 4
        let former = describe(report, counters: false, plain)
        #expect(
            former.contains("\nServes in layout 4, so that the former version can come back; apusctl upgrade --commit"))
        #expect(describeUpgrade(report).hasSuffix("apusctl upgrade --commit goes over to layout 5\n"))
    }

    @Test func clientsForPeople() {
        let client = ClientReport(
            clientID: "a\u{1b}[2J", listener: "mqtt", peer: "[::1]:5", protocol: "MQTT 5.0", connected: 65,
            keepAlive: 0, subscriptions: 3)
        #expect(
            describe([client], plain) == """
                CLIENT      LISTENER  PEER     PROTOCOL  CONNECTED  KEEP-ALIVE  SUBSCRIPTIONS
                a\\u{1b}[2J  mqtt      [::1]:5  MQTT 5.0  1 min 5 s           -              3

                """)
    }

    @Test func reloadForPeople() {
        #expect(describe(ReloadReport(applied: [], needsRestart: [])) == "reloaded, nothing has changed\n")
        #expect(
            describe(ReloadReport(applied: ["limits.rate"], needsRestart: ["listener"]))
                == "applied: limits.rate\nneeds a restart (systemctl restart apus): listener\n")
    }
}
