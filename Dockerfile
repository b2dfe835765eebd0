# Two stages: build with the headers, run with the libraries. BASE is any Debian or Ubuntu of the supported ones.
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS build
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends gcc libc6-dev make pkg-config libev-dev libc-ares-dev \
    libmicrohttpd-dev libssl-dev libjansson-dev libidn2-dev libunistring-dev libpsl-dev uthash-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Makefile ./
COPY probes probes
COPY service service
COPY api api
RUN make -j2 build/vrfyd && strip build/vrfyd
# The packages that hold the libraries the program was linked with, whatever their names are in this release.
RUN ldd build/vrfyd | awk '/=> \//{print $3}' | xargs -n1 readlink -f | sed 's,^/usr,,' | sort -u \
    | while read -r library; do dpkg-query -S "*$library" 2>/dev/null | cut -d: -f1; done | sort -u > packages

FROM ${BASE}
ENV DEBIAN_FRONTEND=noninteractive
COPY --from=build /src/packages /tmp/packages
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends ca-certificates $(cat /tmp/packages) \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /tmp/packages \
 && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin vrfyd \
 && install -d -o vrfyd -g vrfyd -m 0700 /data
COPY --from=build /src/build/vrfyd /usr/local/bin/vrfyd
USER 10001
ENV VRFYD_LISTEN=0.0.0.0:8080 VRFYD_DATA_DIR=/data VRFYD_LOG_FORMAT=json
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["/usr/local/bin/vrfyd", "health"]
ENTRYPOINT ["/usr/local/bin/vrfyd"]
CMD ["serve"]
