// Show the issue again whenever its file is saved; keep the place where one was reading.
const shown = document.body.dataset.version;
const place = sessionStorage.getItem("place");
if (place) window.scrollTo(0, Number(place));

new EventSource("/preview/events").onmessage = (event) => {
  if (event.data !== shown) {
    sessionStorage.setItem("place", String(window.scrollY));
    window.location.reload();
  }
};
