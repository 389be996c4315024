# Tasks of a contributor; CONTRIBUTING.md says what each is for. All need the environment made there.
PYTHON ?= python
PROTOC := build/proto/bin/python -m grpc_tools.protoc -I proto

.PHONY: check test style types c-check thorough campaign tools engine page trainers bench proto docs

check: style types test

test:
	pytest -n 2 --dist loadfile

style:
	ruff check .
	ruff format --check .
	git ls-files -z -- '*.c' '*.h' | xargs -0 clang-format --dry-run -Werror

types:
	mypy
	lint-imports

c-check:
	$(PYTHON) tests/sanitizers/run.py

thorough:
	pytest -m 'thorough and not campaign' -n 2

campaign:
	pytest -m campaign

tools:
	pytest -m tools -n 2

engine:
	pytest -m 'engine and not campaign'

page:
	pytest -m page

trainers:
	pytest -m trainers

bench:
	$(PYTHON) tests/bench/run_all.py --quick

proto:
	$(PYTHON) -m venv build/proto
	build/proto/bin/pip install --quiet grpcio-tools==1.74.0
	$(PROTOC) --python_out=. --pyi_out=. proto/mvcd/objects/v1/*.proto
	$(PROTOC) --python_out=. --pyi_out=. --grpc_python_out=. proto/mvcd/wire/v1/*.proto

docs:
	$(PYTHON) docs/make.py
