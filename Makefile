# make demo        set up, then detect craters at the real south pole and screen it: look at
#                  demo/run/report.html; and rocks in a synthetic image of its best site
# make test        set up, lint, types, the wheel, the fast tests, the documentation, QGIS
# make test-engine all of it that needs no QGIS; make test-qgis: the rest
# make test-slow   the slow tests; make bench: the measurements of docs/benchmarks.md
# make test-qgis-next  the tests inside the QGIS of a newer Debian; root only
# make docs        the documentation in docs/_build/html, its gallery run; warnings are errors
# make package     the plugin's zip in dist/
# make setup       only set up; GROUPS="dev ml" adds groups; PYTHON names the interpreter
# make lint gate format lock clean

GROUPS =
BIN = .venv/bin
UV = .tools/uv/bin/uv
NICE = nice -n 5

# Without compiled files each process compiles the libraries again, for 5 s: the tests begin many.
unexport PYTHONDONTWRITEBYTECODE

# make template    fit the curve of the crater detection without a network: 2 minutes
# make models      train the scorers that ship, on the synthetic cap: an hour on 2 cores

# The built-in elevation model, south of 80°.
POLE = --dem resources/moon/lola_70S_1600m.tif --aoi 0,-90,310

.PHONY: demo docs models mutants template images region screenshots package test test-engine test-qgis test-qgis-next \
	test-slow bench audit setup setup-chromium setup-dev setup-qgis lint gate format lock wheel clean

demo: setup
	$(BIN)/lunarsite detect-craters $(POLE) --out demo/craters.gpkg
	$(BIN)/lunarsite screen $(POLE) --cell-m 1600 --north-limit-deg -80 --step-hours 24 --azimuths 180 \
		--craters demo/craters.gpkg --out demo/run
	$(BIN)/lunarsite synthesize-image $$($(BIN)/python tools/best_site.py demo/run) \
		--out demo/image.tif
	$(BIN)/lunarsite segment-terrain --image demo/image.tif --out demo/rocks
	@echo "Pixels of 1.6 km show the tool and the light, not where to land. Against published maps"
	@echo "of the pole the illumination is 4.2 points too high on average (correlation 0.965):"
	@echo "crests between the pixels, which cast shadows, are averaged away."
	@echo "The report is $(CURDIR)/demo/run/report.html"

# A generated region, for the pictures in the help of the algorithms: its craters are known.
REGION = .cache/region
region: setup
	$(BIN)/lunarsite synthesize --out $(REGION)/dem.tif
	$(BIN)/lunarsite detect-craters --dem $(REGION)/dem.tif --out $(REGION)/craters.gpkg
	$(BIN)/lunarsite screen --dem $(REGION)/dem.tif --craters $(REGION)/craters.gpkg --out $(REGION)/run

# The README's pictures, from the demo's run.
images: demo
	$(BIN)/python tools/readme_images.py

# The README's pictures of QGIS; look at them.
screenshots: demo setup-qgis package
	.venv-qgis/bin/python tools/screenshots.py

package: setup-dev
	$(BIN)/python tools/package.py

test: test-engine docs test-qgis

# Torch's tests too: training, GPUs and the networks of the original LunarSite; those of Kaggle's
# client, against a stand-in of its server; and those of the app in a browser.
test-engine: lint wheel
	@tools/setup core dev ml kaggle app
	$(NICE) $(BIN)/python -m pytest -q -n auto -m "not slow"

docs:
	@tools/setup core dev docs
	$(NICE) $(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "The documentation is $(CURDIR)/docs/_build/html/index.html"

# A file's tests stay in one QGIS, which holds what they share. Each QGIS runs engines beside it. One
# that crashes fails the tests at once; none is taken down, which is when QGIS may crash by itself.
test-qgis: setup-qgis
	QT_QPA_PLATFORM=offscreen $(NICE) .venv-qgis/bin/python -m pytest -q -n auto --maxprocesses 4 \
		--max-worker-restart 0 --dist loadfile --qgis_disable_exit -m "not slow" tests/qgis

test-qgis-next: setup-qgis
	tools/qgis-next

# Chromium, for the report in a browser; without it those tests are skipped.
setup-chromium:
	@command -v chromium >/dev/null || { echo "setup: installing Chromium" >&2; \
		apt-get install -y --no-install-recommends chromium >/dev/null; } || \
		echo "setup: there is no Chromium: the tests in a browser are skipped" >&2

test-slow: setup-dev setup-qgis setup-chromium audit
	@tools/setup core dev ml kaggle app
	$(NICE) $(BIN)/python -m pytest -q -m slow
	QT_QPA_PLATFORM=offscreen $(NICE) .venv-qgis/bin/python -m pytest -q --qgis_disable_exit -m slow \
		tests/qgis

# The two that time QGIS run in its environment.
bench: setup-qgis
	@for file in benchmarks/bench_*.py; do echo "$$file"; \
		case $$file in *_qgis.py|*_dock.py) python=.venv-qgis/bin/python;; *) python=$(BIN)/python;; esac; \
		$$python "$$file" || exit 1; done

# Thirty deliberate faults: which do the tests notice?
mutants: setup-dev
	$(NICE) $(BIN)/python benchmarks/mutants.py

models: setup
	$(BIN)/lunarsite synthesize --preset cap --pixel-m 240 --size-px 2534 --out .cache/cap/dem.tif
	$(BIN)/lunarsite screen --dem .cache/cap/dem.tif --craters .cache/cap/dem.craters.csv \
		--out .cache/cap/run --train
	for profile in cassa hls; do $(BIN)/lunarsite train-scorer --profile $$profile \
		--features .cache/cap/run/features.parquet --out models/scorer-$$profile.ubj || exit 1; done
	cd models && rm -f scorer-*.sha256 && sha256sum scorer-*.ubj scorer-*.json craters.* segmenter-*.* > SHA256SUMS

template: setup
	$(BIN)/python tools/make_template.py

setup:
	@tools/setup core $(GROUPS)

setup-dev:
	@tools/setup core dev $(GROUPS)

setup-qgis:
	@tools/setup-qgis
	@tools/setup core dev qgis $(GROUPS)

lint: setup-dev gate
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p lunarsite.engine
	$(BIN)/python tools/qt6.py

# What the plugin repository asks of the packaged files.
gate: setup-dev
	$(BIN)/python tools/gate.py

format: setup-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: setup-dev
	tools/check-wheel

# One resolution for Python 3.11 to 3.13 on every platform; the other groups keep to core's pins. Each
# pin has the hashes of its files, which uv and pip check.
# xgboost asks for NCCL, which serves several GPUs and is 300 MB: only torch's own pin of it counts.
COMPILE = $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --no-header \
	--generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links
NO_NCCL = --no-emit-package nvidia-nccl-cu12 --no-emit-package nvidia-nccl-cu13
OF_QGIS = execnet|pytest|pytest-qgis|pytest-xdist|iniconfig|packaging|pluggy|pygments
OF_TORCH = torch|torchvision|triton|nvidia-[a-z0-9-]*|cuda-[a-z]*
lock: setup
	$(COMPILE) $(NO_NCCL) pyproject.toml -o requirements/core.txt
	$(COMPILE) $(NO_NCCL) --extra dev -c requirements/core.txt pyproject.toml -o requirements/dev.txt
	$(COMPILE) $(NO_NCCL) --extra docs -c requirements/dev.txt pyproject.toml -o requirements/docs.txt
	$(COMPILE) $(NO_NCCL) --extra kaggle -c requirements/dev.txt -c requirements/docs.txt pyproject.toml \
		-o requirements/kaggle.txt
	$(COMPILE) $(NO_NCCL) --extra app -c requirements/dev.txt -c requirements/docs.txt -c requirements/kaggle.txt \
		pyproject.toml -o requirements/app.txt
	$(COMPILE) $(NO_NCCL) --extra qgis -c requirements/dev.txt pyproject.toml -o .cache/qgis.txt
	awk '/^[a-z]/ { keep = /^($(OF_QGIS))==/ } keep' .cache/qgis.txt >requirements/qgis.txt
	$(COMPILE) --no-emit-package nvidia-nccl-cu12 --extra ml -c requirements/core.txt pyproject.toml -o .cache/ml.txt
	awk '/^[a-z]/ { keep = /^($(OF_TORCH))==/ } keep' .cache/ml.txt >requirements/torch.txt
	awk '/^[a-z]/ { keep = !/^($(OF_TORCH))==/ } keep' .cache/ml.txt >requirements/ml.txt
	sed -n 's/^requires = \["\(.*\)"\]$$/\1/p' pyproject.toml >.cache/build.in
	$(COMPILE) .cache/build.in -o requirements/build.txt
	cut -d' ' -f1 requirements/uv.txt | grep == >.cache/uv.in
	$(COMPILE) .cache/uv.in -o requirements/uv.txt
	@tools/setup core ml kaggle app
	$(BIN)/python tools/make_sbom.py

# Known vulnerabilities of what is pinned, as far as the package index tells them.
audit: setup
	$(BIN)/python tools/audit.py

clean:
	rm -rf .venv .tools .cache build dist demo docs/_build docs/gallery *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
