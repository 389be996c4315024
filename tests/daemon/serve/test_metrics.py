from __future__ import annotations

import re

from mvcd.daemon.serve.metrics import ServerMetrics

LINE = re.compile(
    r'(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z_]+="[^"\\\n]*"(,[a-z_]+="[^"\\\n]*")*\})? -?[0-9.e+]+)'
)


def test_the_text_is_what_prometheus_reads() -> None:
    metrics = ServerMetrics("1.2.3", 1e9)
    metrics.gauges["mvcd_repositories"] = ("Repositories here.", lambda: 3)
    for seconds in (0.0005, 0.3, 100.0):
        metrics.begin()
        metrics.end("Put", "OK", seconds, 10, 1)
    metrics.begin()
    text = metrics.text()
    assert text.endswith("\n")
    for line in text.splitlines():
        assert LINE.fullmatch(line), line
    lines = set(text.splitlines())
    assert {
        'mvcd_build_info{version="1.2.3"} 1',
        'mvcd_calls_total{method="Put",code="OK"} 3',
        "mvcd_calls_in_flight 1",
        "mvcd_received_bytes_total 30",
        "mvcd_sent_bytes_total 3",
        "mvcd_repositories 3",
        'mvcd_call_seconds_bucket{method="Put",le="0.001"} 1',
        'mvcd_call_seconds_bucket{method="Put",le="0.5"} 2',
        'mvcd_call_seconds_bucket{method="Put",le="60.0"} 2',
        'mvcd_call_seconds_bucket{method="Put",le="+Inf"} 3',
        'mvcd_call_seconds_count{method="Put"} 3',
    } <= lines
