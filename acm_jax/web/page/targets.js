// The list of targets, each with its score and what can be done with it.

export class Targets {
  // `on` has functions of a target: select, redraw and remove. `tip` tells when
  // a target is lost.
  constructor(list, color, on, tip = '') {
    Object.assign(this, {list, color, on, tip, rows: new Map()})
  }

  // Shows targets with their results [x, y, w, h, score, lost], by target. Rows
  // are changed in place: one that is replaced would lose a click.
  update(targets, results, selected) {
    for (const [target, row] of this.rows) {
      if (targets.includes(target)) continue
      row.item.remove()
      this.rows.delete(target)
    }
    for (const target of targets) {
      if (!this.rows.has(target)) this.rows.set(target, this.add(target))
      const {item, score, lost, actions} = this.rows.get(target)
      const found = results[target]
      item.className = target === selected ? 'selected' : ''
      score.textContent = found ? found[4].toFixed(3) : '–'
      lost.textContent = found?.[5] ? 'lost' : ''
      actions.hidden = target !== selected
    }
  }

  add(target) {
    const item = document.createElement('li')
    const part = (name, text = '', tag = 'span') => Object.assign(
      document.createElement(tag), {className: name, textContent: text})
    const dot = part('dot')
    dot.style.background = this.color(target)
    const [score, lost, actions] = ['score', 'lost', 'actions'].map(
      (name) => part(name))
    for (const [name, act] of [
      ['Redraw', this.on.redraw], ['Remove', this.on.remove]]) {
      const button = part('quiet', name, 'button')
      button.onclick = (event) => {
        event.stopPropagation()
        act(target)
      }
      actions.append(button)
    }
    item.onclick = () => this.on.select(target)
    lost.title = score.title = this.tip
    const name = part('name quiet', `Target ${target}`, 'button')
    item.append(dot, name, lost, score, actions)
    this.list.append(item)
    return {item, score, lost, actions}
  }
}
