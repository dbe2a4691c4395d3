"""`python -m bench.empty_panel`: the real panel whose stages do nothing, to measure what the panel itself costs.

`BENCH_SET_SEED=module:function` takes the place of the first.

Thin on purpose, like `app.panel.__main__`: each stage's process imports the main module again.
"""


def main() -> None:
    """Serve until stopped."""
    import os

    from app.panel.main import create_app
    from app.panel.startup import read_settings
    from app.web.server import Server, build_config
    from bench.empty_deploy import live_at_once
    from bench.empty_stages import EMPTY_STAGES

    settings = read_settings([])
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    raw = settings.data_dir / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    (raw / "data.csv").write_text("x,y\n1,0\n", "utf-8")
    stages = {**EMPTY_STAGES, "set_seed": os.environ.get("BENCH_SET_SEED", EMPTY_STAGES["set_seed"])}
    app = create_app(settings, stages=stages, deploy=live_at_once)
    config = build_config(app, host="127.0.0.1", port=settings.panel_port, log_level="warning")
    Server(config, settings.head_timeout_s).run()


if __name__ == "__main__":
    main()
