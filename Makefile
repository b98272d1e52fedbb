# slapo-provision. `make help` lists the targets.
#
# Layers: overlay/core sees only itself, overlay/store also core, overlay/slapd also
# slapd's headers, the tools core and store. The include paths below enforce it.

CC      ?= cc
CLANG   ?= clang
PYTHON  ?= /usr/bin/python3
SLAPD   ?= /usr/sbin/slapd
PREFIX  ?= /usr
LIBDIR  ?= $(PREFIX)/lib
BINDIR  ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
MANDIR  ?= $(PREFIX)/share/man
DOCDIR  ?= $(PREFIX)/share/doc/slapo-provision
# where slapd looks for modules (Debian: /usr/lib/ldap)
MODULEDIR ?= $(LIBDIR)/ldap
SCHEMADIR ?= $(DOCDIR)/schema

# V=1 shows the commands
Q := $(if $(V),,@)

VERSION := $(shell cat VERSION)

export CC CLANG PYTHON SLAPD LDAP_SRC LDAP_BUILD

WARN   := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Werror
CFLAGS ?= -O2 -g
FLAGS  := -std=gnu11 $(WARN) -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -fvisibility=hidden -fPIC
NAMES  := -DPROV_VERSION='"$(VERSION)"'

# The slapd headers are not ours: -isystem keeps their warnings away. Their lmdb.h is
# the one of back-mdb's LMDB; overlay/store has the system's (see the module below).
OL      := build/openldap
INC_core   := -iquote overlay/core
INC_store  := $(INC_core) -iquote overlay/store
INC_slapd  := $(INC_store) -iquote overlay/slapd -isystem $(OL)/build/include \
	-isystem $(OL)/src/include -isystem $(OL)/src/servers/slapd \
	-isystem $(OL)/src/libraries/liblmdb
# the same of the other OpenLDAP (make slapd26), for which only overlay/slapd is compiled again
OL26    := build/openldap26
INC_slapd26 := $(INC_store) -iquote overlay/slapd -isystem $(OL26)/build/include \
	-isystem $(OL26)/src/include -isystem $(OL26)/src/servers/slapd \
	-isystem $(OL26)/src/libraries/liblmdb
INC_common := $(INC_store) -iquote tools/common
INC_provd  := $(INC_common) -iquote tools/provd
INC_provctl := $(INC_common) -iquote tools/provctl
INC_unit   := $(INC_common) -iquote tools/provd -iquote tools/provctl -iquote tests/unit/support
INC_fuzz   := $(INC_unit) -iquote tests/fuzz

LIBS_core   := -ljansson -lunistring
LIBS_store  := -llmdb -lcrypto $(LIBS_core)
LIBS_tools  := -lldap -llber -lsasl2 -lcurl -lssl -lcsv -lmicrohttpd -lgnutls -lrdkafka -lsystemd \
	-lpthread $(LIBS_store)

SRC_core    := $(wildcard overlay/core/*.c)
SRC_store   := $(wildcard overlay/store/*.c)
SRC_slapd   := $(wildcard overlay/slapd/*.c)
SRC_common  := $(wildcard tools/common/*.c)
SRC_provd   := $(wildcard tools/provd/*.c)
SRC_provctl := $(wildcard tools/provctl/*.c)
SRC_support := $(wildcard tests/unit/support/*.c)
TESTS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
FUZZ  := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

objects = $(patsubst %.c,$(1)/%.o,$(2))

.PHONY: all deps test check-unit check-slapd check-provd check-crash check-fuzz check-soak check-asan check-tsan check-openldap \
	check-slapd26 check-valgrind check-versions slapd26 slapd-asan slapd-tsan check-deb deb demo bench bench-delivery bench-scan bench-large \
	lint fuzz install clean clean-all help node-modules unit-programs fuzz-programs crash-programs \
	crash26-programs includes FORCE
.DELETE_ON_ERROR:
.SECONDARY:

PROGRAMS := build/provision.so build/provd build/provctl

all: $(PROGRAMS)
	@echo "made:$(PROGRAMS:%= %)"

help:
	@echo "make              build/provision.so, build/provd, build/provctl"
	@echo "make deps         install packages.txt (Debian), fetch and configure slapd's source"
	@echo "make demo         a throwaway directory of 2,000 people: joiner, mover, leaver, explain, trail"
	@echo "make test         everything below but soak and bench; the last line counts"
	@echo "make lint         format, static analysis, man pages, layers, exported symbols"
	@echo "make check-unit   unit tests: plain, with ASan and UBSan, with TSan where threads matter"
	@echo "make check-provd  the tests of provd once more, with provd under TSan and under ASan"
	@echo "make check-fuzz   replay the fuzzing corpora with ASan and UBSan"
	@echo "make check-slapd  black-box tests against the installed slapd"
	@echo "make slapd26      OpenLDAP 2.6 in build/openldap26, and the module for it; make check-slapd26 tests that"
	@echo "make check-crash  kill -9, failpoints, power loss (PROV_CRASH_ROUNDS=200, PROV_PROVD_KILLS=1000, PROV_POWER_IMAGES=400 for more)"
	@echo "make check-soak   many accounts of Active Directory; then 1000 kills of slapd, 2000 of provd, 1000 power losses (not part of make test)"
	@echo "make check-versions OLD=REF  an older commit of the overlay beside this one, before it and after it (docs/upgrading.md)"
	@echo "make check-valgrind  black-box tests with slapd below valgrind (takes long)"
	@echo "make check-openldap  OpenLDAP's own test suite, without and with the overlay (docs/openldap-suite.md)"
	@echo "make check-asan   random LDAP operations against a slapd built with sanitizers (PROV_ASAN_OPERATIONS=20000, PROV_ASAN_SEED=1)"
	@echo "make check-tsan   threads: writers, roles, cn=config and leavers against a slapd built with the thread sanitizer (PROV_TSAN_SECONDS=20)"
	@echo "make fuzz         fuzz each target for FUZZ_SECONDS=60 with libFuzzer"
	@echo "make bench        tables: bare slapd, the stock stack, this overlay; and the other benches"
	@echo "make bench-delivery  from a write to a receiver: how long, how many a second, how much memory"
	@echo "make bench-large  PROV_BENCH_ROLES=10000 roles, and one that half of the accounts hold changed"
	@echo "make bench-scan  provctl scan of PROV_BENCH_PEOPLE=1000000, beside ldapsearch and a script"
	@echo "make install      DESTDIR= PREFIX=/usr MODULEDIR=PREFIX/lib/ldap"
	@echo "make deb          a Debian package for the slapd installed here, in build/deb; check-deb tries it in a chroot (root)"
	@echo "make clean        remove what was built, keep slapd's source (clean-all: everything)"
	@echo "LDAP_SRC= LDAP_BUILD= name another configured OpenLDAP tree (2.5, 2.6); SLAPD= its slapd"

deps:
	@scripts/deps.sh

# Checked in every run (it takes no time), so that a new slapd leads to a new build.
$(OL)/stamp: FORCE
	@command -v $(SLAPD) >/dev/null && scripts/slapd-source.sh || scripts/deps.sh --small

$(OL26)/stamp: FORCE
	@scripts/slapd26.sh

$(OL)-asan/stamp $(OL)-tsan/stamp: $(OL)-%/stamp: $(OL)/stamp
	@scripts/slapd-sanitized.sh $*

slapd-tsan: build/tsan/pause.so
slapd-asan slapd-tsan: slapd-%: $(OL)-%/stamp build/%/provision.so
	@echo "made: $(OL)-$*/inst/libexec/slapd and build/$*/provision.so"

slapd26: build/26/provision.so
	@echo "made: $(OL26)/inst/libexec/slapd and build/26/provision.so"

# -- objects: $(1) build folder, $(2) flags -----------------------------------------------

define variant
$(1)/overlay/core/%.o: overlay/core/%.c
	@mkdir -p $$(@D)
	@echo "  CC $$@"
	$$(Q)$$(CC) $$(FLAGS) $$(NAMES) $$(CFLAGS) $(2) $$(INC_core) -MMD -MP -c -o $$@ $$<
$(1)/overlay/store/%.o: overlay/store/%.c
	@mkdir -p $$(@D)
	@echo "  CC $$@"
	$$(Q)$$(CC) $$(FLAGS) $$(NAMES) $$(CFLAGS) $(2) $$(INC_store) -MMD -MP -c -o $$@ $$<
$(1)/overlay/slapd/%.o: overlay/slapd/%.c $$(OL)/stamp
	@mkdir -p $$(@D)
	@echo "  CC $$@"
	$$(Q)$$(CC) $$(FLAGS) $$(NAMES) $$(CFLAGS) $(2) $$(INC_slapd) -MMD -MP -c -o $$@ $$<
$(1)/tools/common/%.o: tools/common/%.c
	@mkdir -p $$(@D)
	@echo "  CC $$@"
	$$(Q)$$(CC) $$(FLAGS) $$(NAMES) $$(CFLAGS) $(2) $$(INC_common) -MMD -MP -c -o $$@ $$<
$(1)/tools/provd/%.o: tools/provd/%.c
	@mkdir -p $$(@D)
	@echo "  CC $$@"
	$$(Q)$$(CC) $$(FLAGS) $$(NAMES) $$(CFLAGS) $(2) $$(INC_provd) -MMD -MP -c -o $$@ $$<
$(1)/tools/provctl/%.o: tools/provctl/%.c
	@mkdir -p $$(@D)
	@echo "  CC $$@"
	$$(Q)$$(CC) $$(FLAGS) $$(NAMES) $$(CFLAGS) $(2) $$(INC_provctl) -MMD -MP -c -o $$@ $$<
$(1)/tests/unit/%.o: tests/unit/%.c
	@mkdir -p $$(@D)
	@echo "  CC $$@"
	$$(Q)$$(CC) $$(FLAGS) $$(NAMES) $$(CFLAGS) $(2) $$(INC_unit) -MMD -MP -c -o $$@ $$<
$(1)/tests/fuzz/%.o: tests/fuzz/%.c
	@mkdir -p $$(@D)
	@echo "  CC $$@"
	$$(Q)$$(CC) $$(FLAGS) $$(NAMES) -Wno-missing-prototypes $$(CFLAGS) $(2) $$(INC_fuzz) -MMD -MP -c -o $$@ $$<
$(1)/libcore.a: $$(call objects,$(1),$$(SRC_core))
$(1)/libstore.a: $$(call objects,$(1),$$(SRC_store))
$(1)/libtools.a: $$(call objects,$(1),$$(filter-out %/main.c,$$(SRC_common) $$(SRC_provd) $$(SRC_provctl)))
$(1)/libcore.a $(1)/libstore.a $(1)/libtools.a:
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$^
$(1)/bin/test_%: $(1)/tests/unit/test_%.o $$(call objects,$(1),$$(SRC_support)) \
		$(1)/libtools.a $(1)/libstore.a $(1)/libcore.a
	@mkdir -p $$(@D)
	@echo "  LINK $$@"
	$$(Q)$$(CC) $$(CFLAGS) $(2) -o $$@ $$^ -lcmocka $$(LIBS_tools)
$(1)/bin/provd: $(1)/tools/provd/main.o $(1)/libtools.a $(1)/libstore.a $(1)/libcore.a
	@mkdir -p $$(@D)
	@echo "  LINK $$@"
	$$(Q)$$(CC) $$(CFLAGS) $(2) -o $$@ $$^ $$(LIBS_tools)
$(1)/bin/fuzz_%: $(1)/tests/fuzz/fuzz_%.o $(1)/tests/fuzz/driver.o \
		$$(call objects,$(1),$$(SRC_support)) $(1)/libtools.a $(1)/libstore.a $(1)/libcore.a
	@mkdir -p $$(@D)
	@echo "  LINK $$@"
	$$(Q)$$(CC) $$(CFLAGS) $(2) -o $$@ $$^ $$(LIBS_tools)
endef

ASAN := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
TSAN := -O1 -fsanitize=thread
$(eval $(call variant,build,))
$(eval $(call variant,build/asan,$(ASAN)))
$(eval $(call variant,build/tsan,$(TSAN)))
$(eval $(call variant,build/failpoints,-DPROV_FAILPOINTS))

# -- the module ---------------------------------------------------------------------------

# back-mdb exports its own LMDB into the process. Ours is linked into one object with
# the store, and its names are made local there, before the rest joins: so overlay/slapd
# gets back-mdb's functions for back-mdb's environment, and the store can only get ours.
# (stderr: see overlay/slapd/lmdb_stderr.c)
LMDB_A = $(shell $(CC) -print-file-name=liblmdb.a)

define link_module
@echo "  LINK $@"
$(Q)$(CC) $(CFLAGS) -shared -o $@ $(filter %.o %.a,$^) -Wl,-Bsymbolic -Wl,--exclude-libs,ALL \
	-Wl,--version-script=scripts/module.map -Wl,-z,relro -lcrypto $(LIBS_core) -lpthread
endef

define module
$(1)/store-with-lmdb.o: $$(call objects,$(1),$$(SRC_store))
	@echo "  LD $$@"
	$$(Q)objcopy --redefine-sym stderr=prov_lmdb_stderr $$(LMDB_A) $$@.lmdb
	$$(Q)$$(LD) -r -o $$@.all $$^ $$@.lmdb
	$$(Q)objcopy --wildcard --localize-symbol='mdb_*' $$@.all $$@
	@rm -f $$@.lmdb $$@.all
$(1)/provision.so: $$(call objects,$(1),$$(SRC_slapd)) $(1)/store-with-lmdb.o $(1)/libcore.a scripts/module.map
	$$(link_module)
endef
$(eval $(call module,build))
$(eval $(call module,build/failpoints))
$(eval $(call module,build/asan))
$(eval $(call module,build/tsan))

# for OpenLDAP 2.6: $(1) build folder, $(2) that of the store and the core it goes with, $(3) flags
define module26
$(1)/overlay/slapd/%.o: overlay/slapd/%.c $$(OL26)/stamp
	@mkdir -p $$(@D)
	@echo "  CC $$@"
	$$(Q)$$(CC) $$(FLAGS) $$(NAMES) $$(CFLAGS) $(3) $$(INC_slapd26) -MMD -MP -c -o $$@ $$<
$(1)/provision.so: $$(call objects,$(1),$$(SRC_slapd)) $(2)/store-with-lmdb.o $(2)/libcore.a scripts/module.map
	$$(link_module)
endef
$(eval $(call module26,build/26,build,))
$(eval $(call module26,build/26/failpoints,build/failpoints,-DPROV_FAILPOINTS))

# -- the programs -------------------------------------------------------------------------

build/provd: $(call objects,build,$(SRC_provd))
build/provctl: $(call objects,build,$(SRC_provctl))
build/provd build/provctl: $(call objects,build,$(SRC_common)) build/libstore.a build/libcore.a
	@echo "  LINK $@"
	$(Q)$(CC) $(CFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) -Wl,-z,relro,-z,now -Wl,--as-needed $(LIBS_tools)

# -- tests: tests/run.py does the counting ---------------------------------------------------

test:
	@echo "make test: deps, all, lint, unit, fuzz corpora, slapd, provd with sanitizers, crash"
	@scripts/deps.sh
	@$(PYTHON) tests/run.py lint unit fuzz slapd provd crash

lint check-unit check-fuzz check-slapd check-provd check-crash check-soak check-asan check-tsan check-slapd26 check-valgrind: $(OL)/stamp
	@$(PYTHON) tests/run.py $(@:check-%=%)

# an older commit or tag: make check-versions OLD=v0.9
check-versions: $(OL)/stamp
	@scripts/old-version.sh "$(OLD)" build/versions/old
	@PROV_OLD=$(CURDIR)/build/versions/old $(PYTHON) tests/run.py versions

check-openldap: all
	@$(PYTHON) -B tests/openldap/run

unit-programs: $(TESTS:%=build/bin/%) $(TESTS:%=build/asan/bin/%) \
	$(patsubst %,build/tsan/bin/%,$(filter %_threads,$(TESTS)))
	@echo "made: $(words $^) unit test programs"

fuzz-programs: $(FUZZ:%=build/asan/bin/%)
	@echo "made: $(words $^) fuzz targets"

# module and provd with failpoints (overlay/store/failpoint.h), and what tests/crash preloads: a disk that is
# watched, a clock that is set, memory that is used up
crash-programs: build/failpoints/provision.so build/failpoints/bin/provd build/crash/disk.so build/crash/wrongclock.so \
	build/crash/nomemory.so
	@echo "made: $^"

crash26-programs: crash-programs build/26/failpoints/provision.so
	@echo "made: build/26/failpoints/provision.so"

define preload
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(filter-out -D_FILE_OFFSET_BITS=64,$(FLAGS)) $(CFLAGS) -shared -o $@ $<
endef
build/crash/%.so: tests/crash/%.c
	$(preload)
build/tsan/pause.so: tests/tsan/pause.c
	$(preload)

# what others have written and the tests deliver to
build/node/stamp: $(wildcard tests/node/*)
	@scripts/node-modules.sh
node-modules: build/node/stamp
	@echo "made: build/node"

# Real fuzzing needs clang's libFuzzer; replaying the corpora does not. What it finds on the way
# stays in build/fuzz/corpus (docs/fuzzing.md).
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= $(FUZZ)
CLANG_FUZZ := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
$(eval $(call variant,build/fuzz,$(CLANG_FUZZ)))
build/fuzz/%: CC := $(CLANG)
build/fuzz/fuzz_%: build/fuzz/tests/fuzz/fuzz_%.o $(call objects,build/fuzz,$(SRC_support)) \
		build/fuzz/libtools.a build/fuzz/libstore.a build/fuzz/libcore.a
	@echo "  LINK $@"
	$(Q)$(CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS_tools)

fuzz: $(FUZZ_TARGETS:%=build/fuzz/%)
	@for f in $(FUZZ_TARGETS); do \
		mkdir -p build/fuzz/corpus/$$f tests/fuzz/corpus/$${f#fuzz_}; \
		echo "fuzz: $$f for $(FUZZ_SECONDS) s"; \
		build/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=build/fuzz/ \
			build/fuzz/corpus/$$f tests/fuzz/corpus/$${f#fuzz_} || exit 1; \
	done

demo:
	@scripts/deps.sh --small
	@$(MAKE) --no-print-directory all
	@tests/demo/run

build/bench/load: tests/bench/load.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) $(CFLAGS) -o $@ $< -lldap -llber -lpthread

build/bench/sink: tests/bench/sink.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) $(CFLAGS) -o $@ $< -lssl -lcrypto

build/bench/post: tests/bench/post.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) $(CFLAGS) -o $@ $< -lcurl -lpthread

build/bench/fill: tests/bench/fill.c build/libstore.a build/libcore.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) $(CFLAGS) $(INC_store) -o $@ $^ $(LIBS_store)

bench-scan: all
	@$(PYTHON) -B tests/bench/scan

bench-large: all build/bench/load
	@$(PYTHON) -B tests/bench/large

bench: all build/bench/load bench-delivery bench-scan bench-large
	@$(PYTHON) -B tests/bench/run

bench-delivery: all build/bench/sink build/bench/post build/bench/fill
	@$(PYTHON) -B tests/bench/delivery

# for scripts/lint.sh: the flags that files of DIR are compiled with
includes:
	@echo '$(FLAGS) $(INC_$(notdir $(DIR)))'

deb:
	@scripts/deps.sh --deb
	@scripts/deb.sh

check-deb: $(OL)/stamp
	@$(PYTHON) tests/run.py deb

# -- install ------------------------------------------------------------------------------

install: all
	@echo "installing into $(DESTDIR)$(PREFIX), the module into $(DESTDIR)$(MODULEDIR)"
	install -d $(DESTDIR)$(MODULEDIR) $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) \
		$(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man8 \
		$(DESTDIR)$(DOCDIR) $(DESTDIR)$(SCHEMADIR)
	install -m 644 build/provision.so $(DESTDIR)$(MODULEDIR)/provision.so
	install -m 755 build/provd $(DESTDIR)$(SBINDIR)/provd
	install -m 755 build/provctl $(DESTDIR)$(BINDIR)/provctl
	install -m 644 docs/provctl.1 $(DESTDIR)$(MANDIR)/man1/
	install -m 644 docs/slapo-provision.5 $(DESTDIR)$(MANDIR)/man5/
	install -m 644 docs/provd.8 $(DESTDIR)$(MANDIR)/man8/
	install -m 644 schema/provision.schema schema/provision.ldif $(DESTDIR)$(SCHEMADIR)/
	install -m 644 README.md $(wildcard docs/*.md docs/*.json) $(DESTDIR)$(DOCDIR)/

clean:
	@echo "removing what was built; slapd's source in $(OL)* stays (make clean-all removes it)"
	@test ! -d build || find build -mindepth 1 -maxdepth 1 ! -name 'openldap*' -exec rm -rf {} +

clean-all:
	@echo "removing build/"
	@rm -rf build

-include $(wildcard build/*/*/*.d build/asan/*/*/*.d build/tsan/*/*/*.d build/failpoints/*/*/*.d build/fuzz/*/*/*.d build/26/*/*/*.d build/26/failpoints/*/*/*.d)
