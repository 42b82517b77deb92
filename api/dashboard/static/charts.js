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
      yAxis: {
        type: "value",
        minInterval: 1,
        boundaryGap: [0, "14%"],
        splitNumber: narrow ? 3 : 4,
        axisLabel: { color: color("muted"), fontSize: 11 },
        splitLine: { lineStyle: { color: color("rule") } },
      },
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

  function areas(data) {
    const gaps = (data.gaps || []).map((gap) => [
      {
        name: gap.name,
        xAxis: gap.from,
        itemStyle: { color: hatch(color("gapline")), opacity: 1 },
        label: { color: color("muted"), fontSize: 11, position: "insideTop" },
      },
      { xAxis: gap.to },
    ]);
    const spikes = (data.spikes || []).map((spike) => [
      {
        name: spike.name,
        xAxis: spike.from,
        url: spike.url,
        itemStyle: { color: color("alarm"), opacity: 0.13 },
        label: { color: color("alarm"), fontSize: 11, fontWeight: 600, position: "insideTop" },
      },
      { xAxis: spike.to },
    ]);
    return [...gaps, ...spikes];
  }

  function volume(data) {
    const options = frame(data);
    options.legend.data = data.series.map((one) => one.name);
    options.series = data.series.map((one) => ({
      name: one.name,
      type: "bar",
      stack: "all",
      barCategoryGap: "22%",
      itemStyle: { color: color(`l-${one.code}`) },
      data: one.values,
      cursor: "pointer",
    }));
    // An invisible line carries the areas, so that a hidden sentiment does not take them along.
    options.series.push({
      type: "line",
      data: data.labels.map(() => 0),
      symbol: "none",
      lineStyle: { opacity: 0 },
      silent: false,
      tooltip: { show: false },
      markArea: { data: areas(data) },
      z: 1,
    });
    const gapAt = (place) => (data.gaps || []).find((g) => place >= g.from && place <= g.to);
    options.tooltip.axisPointer = { type: "shadow", shadowStyle: { color: color("hover") } };
    options.tooltip.formatter = (points) => {
      const place = points[0].dataIndex;
      const gap = gapAt(place);
      if (gap) return tip(data.labels[place], [["", gap.name, ""]]);
      const rows = points
        .filter((p) => p.seriesType === "bar")
        .map((p) => [p.color, p.seriesName, String(p.value ?? 0)]);
      const sum = points
        .filter((p) => p.seriesType === "bar")
        .reduce((total, p) => total + (p.value || 0), 0);
      return tip(data.labels[place], [["", data.total, String(sum)], ...rows.reverse()], data.hint);
    };
    return options;
  }

  function spike(data) {
    const options = frame(data);
    const line = (name, values, extra) => ({ name, type: "line", symbol: "none", data: values, ...extra });
    options.legend.data = [data.names.observed, data.names.expected];
    options.series = [
      line("low", data.low, { stack: "band", lineStyle: { opacity: 0 }, silent: true }),
      line(data.names.band, data.high.map((v, i) => (v === null ? null : v - data.low[i])), {
        stack: "band",
        lineStyle: { opacity: 0 },
        areaStyle: { color: color("accent"), opacity: 0.14 },
        silent: true,
      }),
      line(data.names.expected, data.expected, {
        lineStyle: { color: color("accent"), width: 2, type: "dashed" },
        itemStyle: { color: color("accent") },
      }),
      {
        name: data.names.observed,
        type: "bar",
        barCategoryGap: "18%",
        cursor: "pointer",
        itemStyle: { color: color("bar") },
        data: data.observed.map((value, place) => ({
          value,
          itemStyle: { color: color(place >= data.from && place <= data.to ? "alarm" : "bar") },
        })),
        markArea: { silent: true, data: areas(data) },
        markLine: {
          symbol: "none",
          silent: true,
          label: { color: color("soft"), fontSize: 11, formatter: "{b}" },
          lineStyle: { color: color("soft"), type: "solid", width: 1 },
          data: data.marks.map((mark) => ({ xAxis: mark.at, name: mark.name })),
        },
      },
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
      else if (event.componentType === "markArea") {
        const found = (data.spikes || []).find((one) => one.name === event.name);
        if (found) location.assign(found.url);
      }
    });
    new ResizeObserver(() => chart.resize()).observe(element);
    element.dataset.drawn = "yes";
  }

  document.querySelectorAll("[data-chart]").forEach(draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const one of drawn) one.set();
  });
})();
