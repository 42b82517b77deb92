// Draws what the server put into data-chart. Colours come from the style sheet, texts from the
// server; tooltips are built as nodes, so that no text is ever read as markup.
"use strict";

(() => {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const color = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const faded = (rgb, share) => rgb.replace("rgb(", "rgba(").replace(")", `, ${share})`);
  const drawn = [];

  function node(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function tip(title, rows, note) {
    const box = node("div", "tip");
    box.append(node("strong", "", title));
    for (const [dot, name, value] of rows) {
      const row = node("div", "tiprow");
      const mark = node("i");
      if (dot) mark.style.background = dot;
      row.append(mark, node("span", "", name), node("b", "", value));
      box.append(row);
    }
    if (note) box.append(node("small", "", note));
    return box;
  }

  function hatch(ink) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const pen = tile.getContext("2d");
    pen.strokeStyle = ink;
    pen.lineWidth = 1;
    for (const shift of [-8, 0, 8]) {
      pen.beginPath();
      pen.moveTo(shift, 8);
      pen.lineTo(shift + 8, 0);
      pen.stroke();
    }
    return { image: tile, repeat: "repeat" };
  }

  function frame(data) {
    const font = getComputedStyle(document.body).fontFamily;
    const narrow = window.innerWidth < 600;
    return {
      animation: false,
      textStyle: { fontFamily: font },
      grid: { left: 4, right: 12, top: 34, bottom: 4, containLabel: true },
      xAxis: {
        type: "category",
        data: data.labels,
        axisLine: { lineStyle: { color: color("rule") } },
        axisTick: { show: false },
        axisLabel: { color: color("muted"), fontSize: 11, hideOverlap: true },
      },
      yAxis: [
        {
          type: "value",
          minInterval: 1,
          boundaryGap: [0, "14%"],
          splitNumber: narrow ? 3 : 4,
          axisLabel: { color: color("muted"), fontSize: 11 },
          splitLine: { lineStyle: { color: color("rule") } },
        },
        { type: "value", show: false, min: 0, max: 1 },
      ],
      legend: {
        top: 0,
        left: 0,
        itemWidth: 10,
        itemHeight: 10,
        itemGap: narrow ? 8 : 14,
        type: narrow ? "scroll" : "plain",
        icon: "roundRect",
        textStyle: { color: color("soft"), fontSize: 12 },
        pageIconColor: color("muted"),
        pageTextStyle: { color: color("muted") },
      },
      tooltip: {
        trigger: "axis",
        confine: true,
        backgroundColor: color("panel"),
        borderColor: color("rule"),
        textStyle: { color: color("ink"), fontSize: 12 },
        extraCssText: "",
      },
    };
  }

  // Stretches as columns of full height behind the bars, on an axis of their own: exact to the bar,
  // where the library's areas run from centre to centre and vanish on a single bar.
  function stretch(data, list, style) {
    const values = data.labels.map(() => null);
    for (const one of list || []) {
      for (let place = one.from; place <= one.to; place += 1) {
        values[place] = {
          value: 1,
          url: one.url,
          label: { show: Boolean(style.label) && place === one.from, formatter: one.name },
        };
      }
    }
    return {
      type: "bar",
      yAxisIndex: 1,
      barWidth: "80%",
      barGap: "-100%",
      z: 1,
      silent: !style.clicks,
      cursor: style.clicks ? "pointer" : "default",
      itemStyle: { color: style.fill },
      label: { position: "insideTop", color: style.ink, fontSize: 11, fontWeight: 600 },
      emphasis: { disabled: true },
      tooltip: { show: false },
      data: values,
    };
  }

  function stretches(data) {
    const alarm = color("alarm");
    return [
      stretch(data, data.gaps, { fill: hatch(color("gapline")) }),
      stretch(data, data.events, { fill: faded(color("accent"), 0.1), ink: color("soft"), label: true }),
      stretch(data, data.spikes, { fill: faded(alarm, 0.16), ink: alarm, label: true, clicks: true }),
    ];
  }

  // Upright lines with words, at a bar.
  function marked(data) {
    return {
      symbol: "none",
      silent: true,
      label: { color: color("soft"), fontSize: 11, formatter: "{b}" },
      lineStyle: { color: color("soft"), type: "solid", width: 1 },
      data: (data.marks || []).map((mark) => ({ xAxis: mark.at, name: mark.name })),
    };
  }

  function volume(data) {
    const options = frame(data);
    options.legend.data = data.series.map((one) => one.name);
    options.series = data.series.map((one) => ({
      name: one.name,
      type: "bar",
      stack: "all",
      barWidth: "80%",
      barGap: "-100%",
      z: 2,
      itemStyle: { color: color(`l-${one.code}`) },
      data: one.values,
      cursor: "pointer",
    }));
    if (options.series.length) options.series[0].markLine = marked(data);
    options.series.push(...stretches(data));
    const gapAt = (place) => (data.gaps || []).find((g) => place >= g.from && place <= g.to);
    options.tooltip.axisPointer = { type: "shadow", shadowStyle: { color: color("hover") } };
    options.tooltip.formatter = (points) => {
      const place = points[0].dataIndex;
      const gap = gapAt(place);
      if (gap) return tip(data.labels[place], [["", gap.name, ""]]);
      const rows = points
        .filter((p) => p.seriesIndex < data.series.length)
        .map((p) => [p.color, p.seriesName, String(p.value ?? 0)]);
      const sum = points
        .filter((p) => p.seriesIndex < data.series.length)
        .reduce((total, p) => total + (p.value || 0), 0);
      return tip(data.labels[place], [["", data.total, String(sum)], ...rows.reverse()], data.hint);
    };
    return options;
  }

  function spike(data) {
    const options = frame(data);
    const line = (name, values, extra) => ({ name, type: "line", symbol: "none", data: values, ...extra });
    options.legend.data = [data.names.observed, data.names.expected, data.names.band];
    options.series = [
      line("low", data.low, { stack: "band", lineStyle: { opacity: 0 }, silent: true }),
      line(data.names.band, data.high.map((v, i) => (v === null ? null : v - data.low[i])), {
        stack: "band",
        lineStyle: { opacity: 0 },
        areaStyle: { color: color("accent"), opacity: 0.16 },
        itemStyle: { color: faded(color("accent"), 0.3) },
        silent: true,
      }),
      line(data.names.expected, data.expected, {
        lineStyle: { color: color("accent"), width: 2, type: "dashed" },
        itemStyle: { color: color("accent") },
      }),
      {
        name: data.names.observed,
        type: "bar",
        barWidth: "80%",
        barGap: "-100%",
        z: 2,
        cursor: "pointer",
        itemStyle: { color: color("bar") },
        data: data.observed.map((value, place) => ({
          value,
          itemStyle: { color: color(place >= data.from && place <= data.to ? "alarm" : "bar") },
        })),
        markLine: marked(data),
      },
      ...stretches(data),
    ];
    options.tooltip.axisPointer = { type: "shadow", shadowStyle: { color: color("hover") } };
    options.tooltip.formatter = (points) => {
      const place = points[0].dataIndex;
      const seen = data.observed[place];
      const rows = [
        [color("alarm"), data.names.observed, seen === null ? data.names.gap : String(seen)],
        [color("accent"), data.names.expected, data.expected[place] === null ? "–" : data.expected[place].toFixed(1)],
      ];
      return tip(data.labels[place], rows, data.hint);
    };
    return options;
  }

  function lines(data) {
    const options = frame(data);
    options.series = data.series.map((one, place) => ({
      name: one.name,
      type: "line",
      connectNulls: true,
      symbolSize: 6,
      itemStyle: { color: color(["accent", "l-positive", "l-mixed", "l-negative"][place % 4]) },
      data: one.values,
    }));
    options.tooltip.formatter = (points) =>
      tip(data.labels[points[0].dataIndex], points.map((p) => [p.color, p.seriesName, String(p.value ?? "–")]));
    return options;
  }

  const kinds = { volume, spike, lines };

  function draw(element) {
    const data = JSON.parse(element.dataset.chart);
    const chart = echarts.init(element, null, { renderer: "canvas" });
    const set = () => chart.setOption(kinds[data.type](data), true);
    set();
    drawn.push({ chart, set });
    chart.on("click", (event) => {
      if (event.data && event.data.url) location.assign(event.data.url);
      else if (event.componentType === "series" && data.urls) location.assign(data.urls[event.dataIndex]);
    });
    new ResizeObserver(() => chart.resize()).observe(element);
    element.dataset.drawn = "yes";
  }

  document.querySelectorAll("[data-chart]").forEach(draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const one of drawn) one.set();
  });
})();
